package kdc.android

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.os.Debug
import android.view.View
import android.widget.Button
import android.widget.EditText
import android.widget.TextView
import java.io.IOException
import java.util.concurrent.Executors
import kdc.core.Golden
import kdc.core.Refused

/** Three screens: ask the model, let it prove itself, read what it is. */
class MainActivity : Activity() {
    // one thread for the model, so that typing never waits for it
    private val work = Executors.newSingleThreadExecutor()
    @Volatile private var opened: OpenedApp? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.main)
        val screens = mapOf(R.id.show_ask to R.id.ask, R.id.show_test to R.id.test, R.id.show_card to R.id.card)
        for ((button, screen) in screens) {
            findViewById<View>(button).setOnClickListener {
                for (other in screens.values) show(other, other == screen)
            }
        }
        findViewById<Button>(R.id.answer).setOnClickListener { answer() }
        findViewById<Button>(R.id.run).setOnClickListener { test() }
        // kept before the screen hears of it: one that is gone by then still has to close it
        inBackground({ OpenedApp.open(applicationContext).also { opened = it } }) { ready(it) }
    }

    override fun onDestroy() {
        super.onDestroy()
        work.execute { opened?.close() }
        work.shutdown()
    }

    private fun ready(app: OpenedApp) {
        text(R.id.state).text = ""
        show(R.id.state, false)
        show(R.id.tabs, true)
        show(R.id.ask, true)
        show(R.id.second, app.classifier.pair)
        text(R.id.facts).text = app.card
        test() // before the first answer is believed
    }

    private fun answer() {
        val app = opened ?: return
        val first = findViewById<EditText>(R.id.text).text.toString()
        val second = findViewById<EditText>(R.id.second).text.toString()
        inBackground({
            val start = System.nanoTime()
            val answer = app.classifier.answer(first, second)
            Sentences.answer(answer, (System.nanoTime() - start) / 1e6)
        }) { text(R.id.answers).text = it }
    }

    private fun test() {
        val app = opened ?: return
        inBackground({ app.golden.run(app.classifier) to 1024 * Debug.getPss() }) { (report, pss) ->
            tested(app, report, pss)
        }
    }

    private fun tested(app: OpenedApp, report: Golden.Report, pssBytes: Long) {
        text(R.id.report).text = Sentences.report(report, app.openMs, pssBytes)
        if (!report.isPassed) refuse("This phone does not give the model's own answers: see Self-test")
        val json = Sentences.json(report, app, pssBytes)
        val share = findViewById<Button>(R.id.share)
        show(R.id.share, true)
        share.setOnClickListener {
            val intent = Intent(Intent.ACTION_SEND).setType("text/plain")
            startActivity(Intent.createChooser(intent.putExtra(Intent.EXTRA_TEXT, json), null))
        }
    }

    /** Does work on the model's thread, and shows its result or why there is none. */
    private fun <T> inBackground(task: () -> T, shown: (T) -> Unit) {
        work.execute {
            try {
                val result = task()
                runOnUiThread { if (!isDestroyed) shown(result) }
            } catch (refused: Refused) {
                runOnUiThread { refuse(refused.message.orEmpty()) }
            } catch (error: IOException) {
                runOnUiThread { refuse("the app cannot read its own files: ${error.message}") }
            }
        }
    }

    private fun refuse(sentence: String) {
        text(R.id.state).text = sentence
        show(R.id.state, true)
    }

    private fun text(id: Int): TextView = findViewById(id)

    private fun show(id: Int, visible: Boolean) {
        findViewById<View>(id).visibility = if (visible) View.VISIBLE else View.GONE
    }
}
