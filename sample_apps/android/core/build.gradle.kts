plugins {
    `java-library`
}

// Java 8, which every Android since 7 runs, and nothing of Android: the same code is tested on a
// computer. src/tools is for those tests and stays out.
java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}
