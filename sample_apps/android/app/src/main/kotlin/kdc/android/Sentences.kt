package kdc.android

import android.os.Build
import java.util.Locale
import kdc.core.Answer
import kdc.core.Fields
import kdc.core.Golden
import kdc.core.PhoneFolder
import org.json.JSONObject

private const val SHOWN = 60 // characters of a golden text

/** What the app shows, as text. */
object Sentences {
    fun answer(answer: Answer, ms: Double): String {
        val lines = answer.labels.map {
            val mark = if (it.holds) "\u2713" else "\u2007"
            "$mark ${percent(it.probability)}  ${it.name}"
        }
        val score = if (lines.isEmpty()) listOf(number(answer.score, 3)) else emptyList()
        return (lines + score + "${number(ms, 1)} ms").joinToString("\n")
    }

    fun report(report: Golden.Report, openMs: Long, pssBytes: Long): String {
        val verdict = if (report.isPassed) "Passed" else "FAILED"
        val head = listOf(
            "$verdict: ${report.exact()} of ${report.rows.size} texts exact, ${report.wrong()} wrong",
            "Checked and opened in $openMs ms",
            "A text takes ${number(report.latency(0.5), 1)} ms, at most " +
                "${number(report.latency(0.95), 1)} ms for 95 %",
            "Memory of the app: ${pssBytes shr 20} MB",
            "",
        )
        return (head + report.rows.map { row(it) }).joinToString("\n")
    }

    private fun row(row: Golden.Row): String {
        val text = listOfNotNull(row.text, row.pair).joinToString(" | ").take(SHOWN)
        val why = when {
            !row.sameIds -> "FAILED, other tokens"
            !row.sameLabel -> "FAILED, another answer"
            row.isWrong -> "FAILED, no number"
            row.isExact -> "pass"
            else -> "pass, rounded, off by ${number(row.off, 3)}"
        }
        return "$why: \u201c$text\u201d"
    }

    /** The self-test's outcome, to be shared. */
    fun json(report: Golden.Report, opened: OpenedApp, pssBytes: Long): String =
        JSONObject()
            .put("format", "kdc.self-test/1")
            .put("device", "${Build.MANUFACTURER} ${Build.MODEL}, Android ${Build.VERSION.RELEASE}")
            .put("model_sha256", opened.folder.digest(opened.folder.model))
            .put("passed", report.isPassed)
            .put("exact", report.exact())
            .put("wrong", report.wrong())
            .put("texts", report.rows.size)
            .put("open_ms", opened.openMs)
            .put("latency_ms", JSONObject().put("p50", report.latency(0.5)).put("p95", report.latency(0.95)))
            .put("pss_bytes", pssBytes)
            .toString(2)

    fun card(folder: PhoneFolder): String {
        val manifest = folder.manifest
        val task = manifest.`object`("task")
        val lines = mutableListOf(
            "Task: ${task.text("name")}, ${task.text("kind")}",
            "Labels: ${task.texts("labels").joinToString(", ").ifEmpty { "a score" }}",
            "Texts are cut at ${manifest.count("max_length")} tokens",
            "Weights: ${if (manifest.has("quantization")) manifest.text("quantization") else "fp32"}",
        )
        val metrics = manifest.`object`("metrics")
        for (name in listOf("teacher", "student", "shipped")) {
            if (metrics.has(name)) lines += "${name.replaceFirstChar { it.uppercase() }}: " +
                score(metrics.`object`(name))
        }
        lines += "Model: sha256 ${folder.digest(folder.model)}"
        return lines.joinToString("\n\n")
    }

    private fun score(metric: Fields): String =
        "${metric.text("metric")} ${number(metric.number("value"), 4)} (n = ${metric.count("n")})"

    private fun percent(share: Double) = String.format(Locale.getDefault(), "%5.1f %%", 100 * share)

    private fun number(value: Double, digits: Int) =
        String.format(Locale.getDefault(), "%.${digits}f", value)
}
