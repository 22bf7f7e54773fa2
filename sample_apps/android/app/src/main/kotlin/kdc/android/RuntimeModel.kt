package kdc.android

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import ai.onnxruntime.OrtSession.SessionOptions
import ai.onnxruntime.OrtSession.SessionOptions.OptLevel
import android.os.Build
import java.io.Closeable
import java.nio.LongBuffer
import kdc.core.Fields
import kdc.core.Model
import kdc.core.ModelInput
import kdc.core.PhoneFolder
import kdc.core.Refused

/** The model in ONNX Runtime, opened as its manifest says. */
class RuntimeModel private constructor(private val session: OrtSession) : Model, Closeable {
    private val environment = OrtEnvironment.getEnvironment()

    init {
        ModelInput.check(session.inputNames)
        if (OUTPUT !in session.outputNames) {
            throw Refused("the model gives no $OUTPUT: export it again")
        }
    }

    override fun logits(input: ModelInput): FloatArray {
        val tensors = LinkedHashMap<String, OnnxTensor>()
        try {
            for (name in session.inputNames) {
                val row = input.row(name)
                val shape = longArrayOf(1, row.size.toLong())
                tensors[name] = OnnxTensor.createTensor(environment, LongBuffer.wrap(row), shape)
            }
            session.run(tensors, setOf(OUTPUT)).use { result ->
                val buffer = (result.get(0) as OnnxTensor).floatBuffer
                return FloatArray(buffer.remaining()).also { buffer.get(it) }
            }
        } catch (error: OrtException) {
            throw Refused("the model does not run: ${error.message}")
        } finally {
            tensors.values.forEach { it.close() }
        }
    }

    override fun close() = session.close()

    companion object {
        private const val OUTPUT = "logits"
        private val LEVELS = mapOf(
            "disable" to OptLevel.NO_OPT,
            "basic" to OptLevel.BASIC_OPT,
            "extended" to OptLevel.EXTENDED_OPT,
            "all" to OptLevel.ALL_OPT,
        )

        /** Opens a checked folder's model with as many threads as are asked for. */
        fun open(folder: PhoneFolder, files: ModelFiles, threads: Int): RuntimeModel {
            val environment = OrtEnvironment.getEnvironment()
            try {
                options(folder.manifest, threads).use { options ->
                    val path = files.path(folder)
                    val session = if (path == null) {
                        environment.createSession(files.mapped(folder.model), options)
                    } else {
                        environment.createSession(path, options)
                    }
                    try {
                        return RuntimeModel(session)
                    } catch (refused: Refused) {
                        session.close()
                        throw refused
                    }
                }
            } catch (error: OrtException) {
                throw Refused("ONNX Runtime cannot open ${folder.model}: ${error.message}")
            }
        }

        /**
         * Asks for exact products, which the level `extended` alone puts in: the processor under an
         * emulator may add two products of int8 in 16 bits, and answers otherwise than a phone.
         */
        private fun exact(options: SessionOptions, level: OptLevel) {
            options.addConfigEntry("session.x64quantprecision", "1")
            if (level == OptLevel.NO_OPT || level == OptLevel.BASIC_OPT) {
                options.setOptimizationLevel(OptLevel.EXTENDED_OPT)
            }
        }

        private fun options(manifest: Fields, threads: Int): SessionOptions {
            val options = SessionOptions()
            options.setIntraOpNumThreads(threads)
            if (!manifest.has("session")) return options
            val wanted = manifest.`object`("session")
            val named = if (wanted.has("optimization")) wanted.text("optimization") else "all"
            val level = LEVELS[named] ?: throw wanted.wrong("optimization")
            options.setOptimizationLevel(level)
            if (Build.SUPPORTED_ABIS.first().startsWith("x86")) exact(options, level)
            options.setCPUArenaAllocator(holds(wanted, "arena"))
            options.setMemoryPatternOptimization(holds(wanted, "memory_pattern"))
            if (!holds(wanted, "prepacking")) {
                options.addConfigEntry("session.disable_prepacking", "1")
            }
            return options
        }

        /** Options that are not named keep their default, and each of them holds by default. */
        private fun holds(options: Fields, name: String) = !options.has(name) || options.flag(name)
    }
}
