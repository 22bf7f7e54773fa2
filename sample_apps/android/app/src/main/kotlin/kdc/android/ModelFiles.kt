package kdc.android

import android.content.Context
import java.io.File
import java.io.FileInputStream
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel
import kdc.core.PhoneFolder
import kdc.core.Refused

/** The model's bytes, which never pass through Java's heap. */
class ModelFiles(private val context: Context) {

    /** Maps a file as it lies in the APK, where it is not compressed. */
    fun mapped(name: String): MappedByteBuffer =
        context.assets.openFd(name).use { place ->
            FileInputStream(place.fileDescriptor).use { file ->
                file.channel.map(FileChannel.MapMode.READ_ONLY, place.startOffset, place.length)
            }
        }

    /**
     * Returns the path of a model whose weights lie in a file of their own, or null for others.
     *
     * ONNX Runtime maps such weights itself, but only beside a model that has a path, and files in
     * an APK have none: both are copied once, into a folder that bears their digests.
     */
    fun path(folder: PhoneFolder): String? {
        val weights = folder.weights ?: return null
        val names = listOf(folder.model, weights)
        val digests = names.joinToString("-") { folder.digest(it).take(DIGITS) }
        val models = File(context.noBackupFilesDir, "models")
        val home = File(models, digests)
        if (!names.all { isWhole(folder, it, home) }) {
            models.deleteRecursively() // of an older version of the app, or cut short
            val staging = File(models, "$digests.tmp")
            if (!staging.mkdirs()) throw Refused("the phone has no room for the model's weights")
            for (name in names) copy(name, place(staging, name))
            if (!staging.renameTo(home)) throw Refused("the model's weights cannot be put in place")
        }
        return place(home, folder.model).path
    }

    private fun place(home: File, name: String) = File(home, name.substringAfterLast('/'))

    private fun isWhole(folder: PhoneFolder, name: String, home: File): Boolean {
        val bytes = folder.manifest.`object`("files").`object`(name).size("bytes")
        return place(home, name).length() == bytes.toLong()
    }

    /** Copies a file to the disk itself, so that no loss of power leaves a shorter one. */
    private fun copy(name: String, target: File) {
        context.assets.open(name).use { source ->
            target.outputStream().use {
                source.copyTo(it)
                it.fd.sync()
            }
        }
    }

    private companion object {
        const val DIGITS = 16
    }
}
