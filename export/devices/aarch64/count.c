/* A plugin of QEMU that counts the instructions which an emulated program runs, and notes the
   count whenever the program calls getpriority(0x4b4443, n): a line "n count" in the file `out`.

   QEMU's header is in no package of its releases' emulator, so what is used of it is declared
   here. Its interface changed with QEMU 9, which wants to be told which one a plugin was built
   for: -DQEMU_API=1 before, 2 from then on. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum { ADD_U64 = 0, SYS_GETPRIORITY = 141, MARK = 0x4b4443 };

typedef uint64_t PluginId;
typedef struct Block Block; /* instructions without a jump among them, translated together */

extern void qemu_plugin_register_vcpu_tb_trans_cb(PluginId, void (*)(PluginId, Block *));
extern void qemu_plugin_register_vcpu_syscall_cb(
    PluginId, void (*)(PluginId, unsigned processor, int64_t call, uint64_t a1, uint64_t a2,
                       uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                       uint64_t a8));
extern size_t qemu_plugin_tb_n_insns(const Block *);

EXPORT int qemu_plugin_version = QEMU_API;
static FILE *out;

#if QEMU_API == 1

extern void qemu_plugin_register_vcpu_tb_exec_inline(Block *, int operation, void *, uint64_t);
static uint64_t instructions;

static void prepare(void) {}
static void translated(PluginId id, Block *block) {
  (void)id;
  size_t more = qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions, more);
}
static uint64_t counted(void) { return instructions; }

#else

typedef struct {
  void *board;
  size_t offset;
} PerProcessor;
extern void *qemu_plugin_scoreboard_new(size_t);
extern uint64_t qemu_plugin_u64_sum(PerProcessor);
extern void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(Block *, int operation, PerProcessor,
                                                              uint64_t);
static PerProcessor instructions;

static void prepare(void) { instructions.board = qemu_plugin_scoreboard_new(sizeof(uint64_t)); }
static void translated(PluginId id, Block *block) {
  (void)id;
  size_t more = qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, instructions, more);
}
static uint64_t counted(void) { return qemu_plugin_u64_sum(instructions); }

#endif

static void called(PluginId id, unsigned processor, int64_t call, uint64_t which, uint64_t number,
                   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)processor, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (call != SYS_GETPRIORITY || which != MARK) return;
  fprintf(out, "%" PRIu64 " %" PRIu64 "\n", number, counted());
  fflush(out);
}

EXPORT int qemu_plugin_install(PluginId id, const void *info, int count, char **words) {
  (void)info;
  for (int i = 0; i < count; i++)
    if (!strncmp(words[i], "out=", 4)) out = fopen(words[i] + 4, "w");
  if (!out) return 1;
  prepare();
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
