package kdc.android

import android.content.Context
import android.os.SystemClock
import java.io.Closeable
import kdc.core.Classifier
import kdc.core.Golden
import kdc.core.PhoneFolder
import kdc.core.Refused
import kdc.core.UnicodeTables

/** A model that passed every check and is ready to answer. */
class OpenedApp private constructor(
    val folder: PhoneFolder,
    val classifier: Classifier,
    val golden: Golden,
    /** What the model is, to be shown. */
    val card: String,
    /** Milliseconds from the first check to the opened model. */
    val openMs: Long,
    private val model: RuntimeModel,
) : Closeable {

    override fun close() = model.close()

    companion object {
        private const val THREADS = 2
        private const val TABLES = "/kdc/unicode.txt"

        /** Checks signature and digests, then opens the model; [Refused] says what is wrong. */
        fun open(context: Context): OpenedApp {
            val start = SystemClock.elapsedRealtime()
            val folder = PhoneFolder.open { name -> context.assets.open(name) }
            // what is wrong in the manifest is thrown here, where it is caught, and not on the screen
            val card = Sentences.card(folder)
            val model = RuntimeModel.open(folder, ModelFiles(context), THREADS)
            try {
                val classifier = Classifier(folder, tables(), model)
                val golden = Golden.parse(folder.text("golden.json"))
                val took = SystemClock.elapsedRealtime() - start
                return OpenedApp(folder, classifier, golden, card, took, model)
            } catch (refused: Refused) {
                model.close()
                throw refused
            }
        }

        private fun tables(): UnicodeTables {
            val stream = Classifier::class.java.getResourceAsStream(TABLES)
                ?: throw Refused("the app lacks $TABLES: bundle it again")
            return UnicodeTables.parse(stream.bufferedReader().use { it.readText() })
        }
    }
}
