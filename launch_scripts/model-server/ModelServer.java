import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import org.tensorflow.Result;
import org.tensorflow.SavedModelBundle;
import org.tensorflow.SessionFunction;
import org.tensorflow.Tensor;
import org.tensorflow.ndarray.NdArray;
import org.tensorflow.ndarray.NdArrays;
import org.tensorflow.ndarray.Shape;
import org.tensorflow.types.TFloat32;
import org.tensorflow.types.TInt32;
import org.tensorflow.types.TInt64;
import org.tensorflow.types.TString;

/**
 * A small model server: TensorFlow for Java behind the JDK's HTTP server. It speaks the row format
 * of TensorFlow Serving's REST API (:predict), for signatures of one input.
 *
 * <pre>ModelServer DIRECTORY_OF_VERSIONS NAME PORT</pre>
 */
public final class ModelServer {
  private static final Gson GSON = new Gson();
  // Some scores of a street scene as text; what it becomes in memory is ten times as large.
  private static final int MAX_BODY_BYTES = 64 << 20;

  private final SavedModelBundle bundle;

  private ModelServer(SavedModelBundle bundle) {
    this.bundle = bundle;
  }

  public static void main(String[] args) throws IOException {
    Path model = latest(Path.of(args[0]));
    ModelServer server = new ModelServer(SavedModelBundle.load(model.toString(), "serve"));
    int port = Integer.parseInt(args[2]);
    HttpServer http = HttpServer.create(new InetSocketAddress("localhost", port), 0);
    http.createContext("/v1/models/" + args[1], server::answer);
    http.setExecutor(Executors.newFixedThreadPool(2));
    http.start();
    System.out.printf("serving %s at http://localhost:%d/v1/models/%s%n",
        model, http.getAddress().getPort(), args[1]);
    System.out.flush();
  }

  /** The version of the highest number. */
  private static Path latest(Path directory) throws IOException {
    try (var versions = Files.list(directory)) {
      return versions
          .filter(path -> path.getFileName().toString().matches("\\d+"))
          .max(Comparator.comparingLong(path -> Long.parseLong(path.getFileName().toString())))
          .orElseThrow(() -> new IOException(directory + " holds no version of a model"));
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    int status = 200;
    JsonObject reply = new JsonObject();
    try {
      if (exchange.getRequestURI().getPath().endsWith(":predict")) {
        reply.add("predictions", predict(GSON.fromJson(bodyOf(exchange), JsonObject.class)));
      } else {
        reply.addProperty("state", "AVAILABLE");
      }
    } catch (BodyTooLargeException error) {
      status = 413;
      reply.addProperty("error", error.getMessage());
    } catch (IllegalArgumentException error) {
      status = 400;
      reply.addProperty("error", error.getMessage());
    } catch (RuntimeException error) {
      status = 500;
      reply.addProperty("error", error.toString());
    }
    byte[] body = GSON.toJson(reply).getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    try (var stream = exchange.getResponseBody()) {
      stream.write(body);
    }
  }

  /** The request's body, which is read no further than the limit. */
  private static String bodyOf(HttpExchange exchange) throws IOException {
    String length = exchange.getRequestHeaders().getFirst("Content-Length");
    if (length != null && Long.parseLong(length) > MAX_BODY_BYTES) {
      throw new BodyTooLargeException();
    }
    byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES + 1);
    if (body.length > MAX_BODY_BYTES) { // it came in chunks, and did not say how many
      throw new BodyTooLargeException();
    }
    return new String(body, StandardCharsets.UTF_8);
  }

  private static final class BodyTooLargeException extends IllegalArgumentException {
    BodyTooLargeException() {
      super("a request has " + MAX_BODY_BYTES + " bytes at most: send fewer rows at once");
    }
  }

  private JsonArray predict(JsonObject request) {
    String name = "serving_default";
    if (request.has("signature_name")) {
      name = request.get("signature_name").getAsString();
    }
    SessionFunction function = bundle.function(name);
    String input = function.signature().inputNames().iterator().next();
    JsonArray instances = request.getAsJsonArray("instances");
    try (Tensor tensor = tensorOf(instances, input);
        Result outputs = function.call(Map.of(input, tensor))) {
      return rows(outputs, instances.size());
    }
  }

  /** Rows of `{"b64": ...}`, or of `{"input": {"b64": ...}}`, or of nested lists of numbers. */
  private static Tensor tensorOf(JsonArray instances, String input) {
    List<byte[]> strings = new ArrayList<>();
    for (JsonElement instance : instances) {
      JsonElement value = instance;
      if (value.isJsonObject() && value.getAsJsonObject().has(input)) {
        value = value.getAsJsonObject().get(input);
      }
      if (!value.isJsonObject()) {
        return floatsOf(instances);
      }
      strings.add(Base64.getDecoder().decode(value.getAsJsonObject().get("b64").getAsString()));
    }
    return TString.tensorOfBytes(NdArrays.vectorOfObjects(strings.toArray(new byte[0][])));
  }

  private static Tensor floatsOf(JsonArray rows) {
    List<Long> sides = new ArrayList<>();
    for (JsonElement at = rows; at.isJsonArray(); at = at.getAsJsonArray().get(0)) {
      sides.add((long) at.getAsJsonArray().size());
    }
    TFloat32 tensor =
        TFloat32.tensorOf(Shape.of(sides.stream().mapToLong(Long::longValue).toArray()));
    List<Float> values = new ArrayList<>();
    flatten(rows, values);
    int[] next = {0};
    tensor.scalars().forEach(scalar -> scalar.setFloat(values.get(next[0]++)));
    return tensor;
  }

  private static void flatten(JsonElement element, List<Float> values) {
    if (element.isJsonArray()) {
      element.getAsJsonArray().forEach(inner -> flatten(inner, values));
    } else {
      values.add(element.getAsFloat());
    }
  }

  /** One value a row where there is one output, else an object of them. */
  private static JsonArray rows(Result outputs, int count) {
    JsonArray rows = new JsonArray();
    Map<String, JsonArray> columns = new HashMap<>();
    for (Map.Entry<String, Tensor> output : outputs) {
      boolean isBytes = output.getKey().endsWith("_bytes");
      columns.put(output.getKey(), json(output.getValue(), isBytes).getAsJsonArray());
    }
    for (int row = 0; row < count; row++) {
      if (columns.size() == 1) {
        rows.add(columns.values().iterator().next().get(row));
        continue;
      }
      JsonObject cells = new JsonObject();
      for (Map.Entry<String, JsonArray> column : columns.entrySet()) {
        cells.add(column.getKey(), column.getValue().get(row));
      }
      rows.add(cells);
    }
    return rows;
  }

  private static JsonElement json(Tensor tensor, boolean isBytes) {
    if (tensor instanceof TString strings) {
      return nested(strings.asBytes(), value -> isBytes ? encoded(value) : text(value));
    }
    if (tensor instanceof TFloat32 floats) {
      return nested(floats, JsonPrimitive::new);
    }
    if (tensor instanceof TInt32 integers) {
      return nested(integers, JsonPrimitive::new);
    }
    if (tensor instanceof TInt64 integers) {
      return nested(integers, JsonPrimitive::new);
    }
    throw new IllegalArgumentException("an output of type " + tensor.dataType());
  }

  private static <T> JsonElement nested(
      NdArray<T> array, java.util.function.Function<T, JsonElement> leaf) {
    if (array.rank() == 0) {
      return leaf.apply(array.getObject());
    }
    JsonArray list = new JsonArray();
    array.elements(0).forEach(inner -> list.add(nested(inner, leaf)));
    return list;
  }

  private static JsonElement encoded(byte[] value) {
    JsonObject object = new JsonObject();
    object.addProperty("b64", Base64.getEncoder().encodeToString(value));
    return object;
  }

  private static JsonElement text(byte[] value) {
    return new JsonPrimitive(new String(value, StandardCharsets.UTF_8));
  }
}
