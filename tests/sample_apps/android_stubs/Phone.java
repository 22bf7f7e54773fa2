import android.app.Activity;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.webkit.WebResourceRequest;
import android.webkit.WebResourceResponse;
import android.webkit.WebView;
import android.widget.FrameLayout;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.security.KeyStore;
import java.util.Map;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * A phone in a few lines: it starts the shell's own code, which came out of the APK, and lets a
 * browser outside be the WebView. What the shell answers goes to the browser over https.
 */
public class Phone {
    private static WebView web;

    public static void main(String[] arguments) throws Exception {
        Activity shell = (Activity) Class.forName("kdc.shell.MainActivity").newInstance();
        Method create = shell.getClass().getDeclaredMethod("onCreate", Bundle.class);
        create.setAccessible(true);
        create.invoke(shell, new Object[] {null});
        FrameLayout frame = (FrameLayout) shell.content;
        web = (WebView) frame.child;
        System.out.println("url " + web.url);
        System.out.println("fits " + frame.fits);
        System.out.println("script " + web.settings.javaScript);
        System.out.println("files " + web.settings.files + " " + web.settings.providers);
        back(shell);
        share(shell);
        HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(tls(arguments[0])));
        server.createContext("/", Phone::handle);
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read(); // until the test lets go
        System.exit(0);
    }

    private static void back(Activity shell) {
        web.history = true;
        shell.onBackPressed();
        System.out.println("back in the page " + !web.history + ", left " + shell.left);
        shell.onBackPressed();
        System.out.println("back again, left " + shell.left);
    }

    private static void share(Activity shell) throws Exception {
        Method share = web.bridge.getClass().getMethod("share", String.class);
        share.invoke(web.bridge, "a report");
        Intent intent = shell.started.chosen;
        System.out.println("share " + web.bridgeName + " "
                + intent.action + " " + intent.type + " " + intent.extras);
    }

    private static SSLContext tls(String path) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        char[] password = "android".toCharArray();
        try (InputStream in = new FileInputStream(path)) {
            store.load(in, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }

    private static void handle(HttpExchange exchange) throws IOException {
        String host = exchange.getRequestHeaders().getFirst("Host");
        String method = exchange.getRequestMethod();
        String path = exchange.getRequestURI().getRawPath();
        byte[] given = exchange.getRequestBody().readAllBytes();
        if (method.equals("POST") && path.equals("/answer")) { // what the page reports to a test
            System.out.println("answer " + new String(given, "UTF-8").replace("\n", " "));
        }
        WebResourceResponse answer = web.client.shouldInterceptRequest(web, new WebResourceRequest() {
            @Override
            public Uri getUrl() {
                return new Uri("https://" + host + path);
            }

            @Override
            public String getMethod() {
                return method;
            }
        });
        for (Map.Entry<String, String> header : answer.headers.entrySet()) {
            exchange.getResponseHeaders().set(header.getKey(), header.getValue());
        }
        exchange.getResponseHeaders().set("Content-Type", answer.type);
        byte[] body = answer.body.readAllBytes();
        exchange.sendResponseHeaders(answer.status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
