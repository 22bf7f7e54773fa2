import java.util.Properties

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

// What differs from app to app, and none of it code: `kdc bundle` writes it.
val bundled = Properties().apply {
    rootProject.file("bundle.properties").inputStream().use { load(it) }
}

android {
    namespace = "kdc.android"
    compileSdk = 35

    defaultConfig {
        applicationId = bundled.getProperty("applicationId")
        minSdk = 24
        targetSdk = 35
        versionCode = bundled.getProperty("versionCode").toInt()
        versionName = bundled.getProperty("versionName")
    }

    // the model is mapped into memory as it lies in the APK, so it must not be compressed there
    androidResources {
        noCompress += listOf("onnx", "ort", "onnx_data", "ort_data")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    kotlinOptions {
        jvmTarget = "17"
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.onnxruntime)
}
