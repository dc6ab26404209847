import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What two readers say about a book: without stars (v1), with black (v2) or red ones (v3).
 *
 * <pre>java Reviews.java [PORT [ADDRESS]]</pre>
 *
 * <p>Paths, answers, headers and environment variables are those of {@code bookinfo reviews}. The
 * JDK is all it needs: its server, and its client, which offers every cleartext server HTTP/2.
 */
public final class Reviews {
    private static final int THREADS = 32;
    private static final int GRACE_SECONDS = 1;
    private static final String NO_RATINGS = "{\"error\":\"Ratings service is currently unavailable\"}";

    /** What is handed on, so that a request keeps its trace, its user and its credentials. */
    private static final List<String> FORWARDED = List.of(
            "x-request-id", "x-ot-span-context", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid",
            "x-b3-sampled", "x-b3-flags", "b3", "traceparent", "tracestate", "x-cloud-trace-context",
            "grpc-trace-bin", "x-datadog-trace-id", "x-datadog-parent-id",
            "x-datadog-sampling-priority", "sw8", "user-agent", "cookie", "authorization", "jwt",
            "end-user");

    private static final Pattern REVIEWS = Pattern.compile("/reviews/([A-Za-z0-9]+)");
    /** The JDK reads no JSON; two numbers by name need none that does. */
    private static final Pattern STARS = Pattern.compile("\"(Reviewer[12])\"\\s*:\\s*(-?\\d+)");

    private record Review(String reviewer, String text) {
        String json(Optional<String> rating) {
            return "{\"reviewer\":" + quoted(reviewer) + ",\"text\":" + quoted(text)
                    + rating.map(value -> ",\"rating\":" + value).orElse("") + "}";
        }
    }

    private static final List<Review> TEXTS = List.of(
            new Review("Reviewer1",
                    "Two pairs of twins, one confusion after another: "
                            + "I laughed from the first page to the last."),
            new Review("Reviewer2",
                    "Light and quick, a joy on any stage. "
                            + "Do not look for the depth of the later plays in it."));

    private final String podName;
    private final String clusterName = variable("CLUSTER_NAME").orElse("null");
    private final boolean rated = variable("ENABLE_RATINGS").orElse("").equalsIgnoreCase("true");
    private final String color = variable("STAR_COLOR").orElse("black");
    /** With black stars longer than the product page waits: what the fault-injection task finds. */
    private final Duration timeout =
            color.equals("black") ? Duration.ofSeconds(10) : Duration.ofMillis(2500);
    private final URI ratings = URI.create("http://" + authority("ratings") + "/ratings/");
    private final HttpClient client = HttpClient.newHttpClient();

    private Reviews() {
        Optional<String> version = variable("SERVICE_VERSION").map(value -> "reviews-" + value);
        podName = Stream.of(variable("POD_NAME"), variable("HOSTNAME"), version)
                .flatMap(Optional::stream)
                .findFirst()
                .orElse("reviews");
    }

    public static void main(String[] arguments) throws IOException {
        // Answers are two writes, which would wait for each other's acknowledgement.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        int port = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 9080;
        String address = arguments.length > 1 ? arguments[1] : "127.0.0.1";
        HttpServer server = HttpServer.create(new InetSocketAddress(address, port), 0);
        server.createContext("/", new Reviews()::answer);
        server.setExecutor(Executors.newFixedThreadPool(THREADS));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(GRACE_SECONDS)));
        server.start();
        System.out.println("serving on " + server.getAddress());
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            var reviews = REVIEWS.matcher(path);
            if (!List.of("GET", "HEAD").contains(exchange.getRequestMethod())) {
                send(exchange, 405, "text/plain; charset=utf-8", "method not allowed\n");
            } else if (path.equals("/health")) {
                send(exchange, 200, "application/json", "{\"status\":\"Reviews is healthy\"}");
            } else if (reviews.matches()) {
                send(exchange, 200, "application/json", reviews(reviews.group(1), exchange));
            } else {
                send(exchange, 404, "text/plain; charset=utf-8", "no such page\n");
            }
        }
    }

    private static void send(HttpExchange exchange, int status, String type, String text)
            throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("content-type", type);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.sendResponseHeaders(status, -1);
        } else {
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private String reviews(String id, HttpExchange exchange) {
        Map<String, String> stars = rated ? stars(id, exchange) : Map.of();
        List<String> reviews = TEXTS.stream()
                .map(review -> review.json(rated ? Optional.of(rating(stars, review)) : Optional.empty()))
                .toList();
        return "{\"id\":" + quoted(id) + ",\"podname\":" + quoted(podName) + ",\"clustername\":"
                + quoted(clusterName) + ",\"reviews\":[" + String.join(",", reviews) + "]}";
    }

    private String rating(Map<String, String> stars, Review review) {
        if (stars.size() != TEXTS.size()) {
            return NO_RATINGS;
        }
        return "{\"stars\":" + stars.get(review.reviewer()) + ",\"color\":" + quoted(color) + "}";
    }

    /** The stars by reader; none when ratings does not answer in time, or not with two numbers. */
    private Map<String, String> stars(String id, HttpExchange exchange) {
        var request = HttpRequest.newBuilder(ratings.resolve(id)).timeout(timeout);
        for (String name : FORWARDED) {
            List<String> values = exchange.getRequestHeaders().getOrDefault(name, List.of());
            values.forEach(value -> request.header(name, value));
        }
        try {
            var answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            String body = answer.statusCode() == 200 ? answer.body() : "";
            var stars = new HashMap<String, String>();
            STARS.matcher(body).results().forEach(found -> stars.put(found.group(1), found.group(2)));
            return stars;
        } catch (IOException error) {
            System.err.println("ratings did not answer: " + error);
            return Map.of();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return Map.of();
        }
    }

    private static String quoted(String text) {
        var quoted = new StringBuilder("\"");
        text.chars().forEach(c -> {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append((char) c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", c));
            } else {
                quoted.append((char) c);
            }
        });
        return quoted.append('"').toString();
    }

    /** Where a service is called. */
    private static String authority(String service) {
        String prefix = service.toUpperCase(Locale.ROOT);
        String host = variable(prefix + "_HOSTNAME").orElse(service);
        String domain = variable("SERVICES_DOMAIN").map(name -> "." + name).orElse("");
        return host + domain + ":" + variable(prefix + "_SERVICE_PORT").orElse("9080");
    }

    private static Optional<String> variable(String name) {
        return Optional.ofNullable(System.getenv(name)).filter(value -> !value.isEmpty());
    }
}
