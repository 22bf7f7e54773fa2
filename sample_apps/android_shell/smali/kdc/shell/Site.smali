# Answers every request of the page from the APK's assets, as a server of one https origin would.
.class public final Lkdc/shell/Site;
.super Landroid/webkit/WebViewClient;

# ends of names and their types, in turns
.field private static final TYPES:[Ljava/lang/String;

# when the page's process was last lost, in ms since the phone was started
.field private static lost:J

.field private final assets:Landroid/content/res/AssetManager;

.method static constructor <clinit>()V
    .registers 2
    const-string v0, ".html text/html .js text/javascript .mjs text/javascript .css text/css .json application/json .webmanifest application/manifest+json .wasm application/wasm .svg image/svg+xml .png image/png .txt text/plain .md text/plain"
    const-string v1, " "
    invoke-virtual {v0, v1}, Ljava/lang/String;->split(Ljava/lang/String;)[Ljava/lang/String;
    move-result-object v0
    sput-object v0, Lkdc/shell/Site;->TYPES:[Ljava/lang/String;
    return-void
.end method

.method public constructor <init>(Landroid/content/res/AssetManager;)V
    .registers 2
    invoke-direct {p0}, Landroid/webkit/WebViewClient;-><init>()V
    iput-object p1, p0, Lkdc/shell/Site;->assets:Landroid/content/res/AssetManager;
    return-void
.end method

# The page runs in a process of its own, which the system may end when it wants memory; left alone it
# takes the app along. A new screen opens the page again, unless a minute has not passed since it last
# did: a model that brings the page down each time would be opened for ever.
.method public onRenderProcessGone(Landroid/webkit/WebView;Landroid/webkit/RenderProcessGoneDetail;)Z
    .registers 11
    invoke-virtual {p1}, Landroid/webkit/WebView;->getContext()Landroid/content/Context;
    move-result-object v0
    check-cast v0, Landroid/app/Activity;
    const/4 v1, 0x1
    invoke-static {}, Landroid/os/SystemClock;->elapsedRealtime()J
    move-result-wide v2
    sget-wide v4, Lkdc/shell/Site;->lost:J
    sput-wide v2, Lkdc/shell/Site;->lost:J
    sub-long v4, v2, v4
    const-wide/32 v6, 0xea60
    cmp-long v4, v4, v6
    if-ltz v4, :again
    invoke-virtual {v0}, Landroid/app/Activity;->recreate()V
    return v1
    :again
    invoke-virtual {v0}, Landroid/app/Activity;->finish()V
    return v1
.end method

# Whatever the answer is, it is given here: no request reaches the network.
.method public shouldInterceptRequest(Landroid/webkit/WebView;Landroid/webkit/WebResourceRequest;)Landroid/webkit/WebResourceResponse;
    .registers 7
    invoke-interface {p2}, Landroid/webkit/WebResourceRequest;->getUrl()Landroid/net/Uri;
    move-result-object v0

    # what is spelt out in the page itself is no request
    invoke-virtual {v0}, Landroid/net/Uri;->getScheme()Ljava/lang/String;
    move-result-object v1
    const-string v2, "data"
    invoke-virtual {v2, v1}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v2
    if-eqz v2, :request
    const/4 v0, 0x0
    return-object v0

    :request
    const-string v2, "https"
    invoke-virtual {v2, v1}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v2
    if-eqz v2, :refused
    invoke-virtual {v0}, Landroid/net/Uri;->getAuthority()Ljava/lang/String;
    move-result-object v1
    const-string v2, "app.kdc.invalid"
    invoke-virtual {v2, v1}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v2
    if-eqz v2, :refused
    invoke-interface {p2}, Landroid/webkit/WebResourceRequest;->getMethod()Ljava/lang/String;
    move-result-object v1
    const-string v2, "GET"
    invoke-virtual {v2, v1}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v2
    if-eqz v2, :refused

    # the path, its escapes resolved; nothing may lead out of the site's folder
    invoke-virtual {v0}, Landroid/net/Uri;->getPath()Ljava/lang/String;
    move-result-object v0
    if-eqz v0, :refused
    const-string v1, ".."
    invoke-virtual {v0, v1}, Ljava/lang/String;->contains(Ljava/lang/CharSequence;)Z
    move-result v1
    if-nez v1, :refused
    const-string v1, "/"
    invoke-virtual {v0, v1}, Ljava/lang/String;->endsWith(Ljava/lang/String;)Z
    move-result v1
    if-eqz v1, :file
    const-string v1, "index.html"
    invoke-virtual {v0, v1}, Ljava/lang/String;->concat(Ljava/lang/String;)Ljava/lang/String;
    move-result-object v0

    :file
    const-string v1, "www"
    invoke-virtual {v1, v0}, Ljava/lang/String;->concat(Ljava/lang/String;)Ljava/lang/String;
    move-result-object v1
    :open_start
    iget-object v2, p0, Lkdc/shell/Site;->assets:Landroid/content/res/AssetManager;
    invoke-virtual {v2, v1}, Landroid/content/res/AssetManager;->open(Ljava/lang/String;)Ljava/io/InputStream;
    move-result-object v1
    :open_end
    .catch Ljava/io/IOException; {:open_start .. :open_end} :missing
    invoke-static {v0}, Lkdc/shell/Site;->type(Ljava/lang/String;)Ljava/lang/String;
    move-result-object v0
    const/16 v2, 0xc8
    const-string v3, "OK"
    invoke-static {v0, v2, v3, v1}, Lkdc/shell/Site;->answer(Ljava/lang/String;ILjava/lang/String;Ljava/io/InputStream;)Landroid/webkit/WebResourceResponse;
    move-result-object v0
    return-object v0

    :missing
    move-exception v0
    const/16 v0, 0x194
    const-string v1, "Not Found"
    invoke-static {v0, v1}, Lkdc/shell/Site;->nothing(ILjava/lang/String;)Landroid/webkit/WebResourceResponse;
    move-result-object v0
    return-object v0

    :refused
    const/16 v0, 0x193
    const-string v1, "Forbidden"
    invoke-static {v0, v1}, Lkdc/shell/Site;->nothing(ILjava/lang/String;)Landroid/webkit/WebResourceResponse;
    move-result-object v0
    return-object v0
.end method

# The type of a file by the end of its name.
.method private static type(Ljava/lang/String;)Ljava/lang/String;
    .registers 5
    sget-object v0, Lkdc/shell/Site;->TYPES:[Ljava/lang/String;
    const/4 v1, 0x0
    :next
    array-length v2, v0
    if-ge v1, v2, :unknown
    aget-object v3, v0, v1
    invoke-virtual {p0, v3}, Ljava/lang/String;->endsWith(Ljava/lang/String;)Z
    move-result v2
    if-nez v2, :found
    add-int/lit8 v1, v1, 0x2
    goto :next
    :found
    add-int/lit8 v1, v1, 0x1
    aget-object v3, v0, v1
    return-object v3
    :unknown
    const-string v3, "application/octet-stream"
    return-object v3
.end method

# An answer without a body.
.method private static nothing(ILjava/lang/String;)Landroid/webkit/WebResourceResponse;
    .registers 5
    const/4 v0, 0x0
    new-array v0, v0, [B
    new-instance v1, Ljava/io/ByteArrayInputStream;
    invoke-direct {v1, v0}, Ljava/io/ByteArrayInputStream;-><init>([B)V
    const-string v0, "text/plain"
    invoke-static {v0, p0, p1, v1}, Lkdc/shell/Site;->answer(Ljava/lang/String;ILjava/lang/String;Ljava/io/InputStream;)Landroid/webkit/WebResourceResponse;
    move-result-object v0
    return-object v0
.end method

# An answer with the headers that let a page have threads, and keep it to itself.
.method private static answer(Ljava/lang/String;ILjava/lang/String;Ljava/io/InputStream;)Landroid/webkit/WebResourceResponse;
    .registers 13
    new-instance v5, Ljava/util/HashMap;
    invoke-direct {v5}, Ljava/util/HashMap;-><init>()V
    const-string v0, "Cross-Origin-Opener-Policy"
    const-string v1, "same-origin"
    invoke-virtual {v5, v0, v1}, Ljava/util/HashMap;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;
    const-string v0, "Cross-Origin-Resource-Policy"
    invoke-virtual {v5, v0, v1}, Ljava/util/HashMap;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;
    const-string v0, "Cross-Origin-Embedder-Policy"
    const-string v1, "require-corp"
    invoke-virtual {v5, v0, v1}, Ljava/util/HashMap;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;
    const-string v0, "Cache-Control"
    const-string v1, "no-store"
    invoke-virtual {v5, v0, v1}, Ljava/util/HashMap;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;
    const-string v0, "X-Content-Type-Options"
    const-string v1, "nosniff"
    invoke-virtual {v5, v0, v1}, Ljava/util/HashMap;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;

    new-instance v0, Landroid/webkit/WebResourceResponse;
    move-object v1, p0
    const-string v2, "utf-8"
    move v3, p1
    move-object v4, p2
    move-object v6, p3
    invoke-direct/range {v0 .. v6}, Landroid/webkit/WebResourceResponse;-><init>(Ljava/lang/String;Ljava/lang/String;ILjava/lang/String;Ljava/util/Map;Ljava/io/InputStream;)V
    return-object v0
.end method
