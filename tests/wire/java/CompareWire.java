// Reads what Ringmain wrote (tests/wire/dump.rs) with Kafka's own classes, and says where they differ:
// bytes, names and values of every message, where null is allowed, refusals, record batches.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.AbstractRequest;

public class CompareWire {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        Map<String, Integer> checked = new TreeMap<>();
        int different = 0;
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] parts = line.split("\t", -1);
            String fault = null;
            try {
                fault = check(parts);
            } catch (Exception e) {
                fault = e.toString();
            }
            checked.merge(parts[0], 1, Integer::sum);
            if (fault != null && ++different <= 30) {
                System.out.println("DIFFERENT " + String.join(" ", Arrays.copyOf(parts, 4)) + ": " + fault);
            }
        }
        System.out.println("checked " + checked + ", different " + different);
        System.exit(different == 0 && checked.size() == 5 ? 0 : 1);
    }

    static String check(String[] parts) throws Exception {
        short key = Short.parseShort(parts[1]);
        short version = Short.parseShort(parts[3]);
        byte[] bytes = HexFormat.of().parseHex(parts[4]);
        switch (parts[0]) {
            case "message": {
                ApiMessage message = read(key, parts[2], version, bytes);
                if (!Arrays.equals(write(message, version), bytes)) {
                    return "written differently";
                }
                return compare(toJson(message, version), JSON.readTree(parts[5]), "");
            }
            case "data": {
                var type = Class.forName("org.apache.kafka." + parts[2]);
                ApiMessage data = read((ApiMessage) type.getConstructor().newInstance(), version, bytes);
                if (!Arrays.equals(write(data, version), bytes)) {
                    return "written differently";
                }
                return compare(toJson(data, version), JSON.readTree(parts[5]), "");
            }
            case "null": {
                boolean taken;
                try {
                    read(key, parts[2], version, bytes);
                    taken = true;
                } catch (RuntimeException e) {
                    taken = false;
                }
                return taken == Boolean.parseBoolean(parts[5]) ? null : "null is taken: " + taken;
            }
            case "refusal": {
                var request = AbstractRequest.parseRequest(
                    ApiKeys.forId(key), version, new ByteBufferAccessor(ByteBuffer.wrap(bytes))).request;
                if (key == ApiKeys.PRODUCE.id || key == ApiKeys.WRITE_TXN_MARKERS.id) {
                    return null;  // Kafka answers in the order of a hash map; Produce without acknowledgements not at all.
                }
                var response = request.getErrorResponse(0, Errors.NOT_CONTROLLER.exception());
                ApiMessage ours = read(key, "response", version, HexFormat.of().parseHex(parts[5]));
                JsonNode theirs = withoutWords(toJson(response.data(), version));
                JsonNode mine = withoutWords(toJson(ours, version));
                return theirs.equals(mine) ? null : theirs + " and ours " + mine;
            }
            case "batch": {
                StringBuilder seen = new StringBuilder();
                for (var batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
                    batch.ensureValid();
                    for (var record : batch) {
                        seen.append(record.offset()).append('/').append(record.timestamp()).append('/')
                            .append(hex(record.key())).append('/').append(hex(record.value())).append('/')
                            .append(record.headers().length).append(';');
                    }
                }
                return seen.toString().equals(parts[5]) ? null : "other records";
            }
            default:
                return "not known";
        }
    }

    static String hex(ByteBuffer buffer) {
        if (buffer == null) {
            return "null";
        }
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    static ApiMessage read(short key, String direction, short version, byte[] bytes) {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        return read(direction.equals("request") ? type.newRequest() : type.newResponse(), version, bytes);
    }

    static ApiMessage read(ApiMessage message, short version, byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) {
            throw new RuntimeException(buffer.remaining() + " bytes left");
        }
        return message;
    }

    static byte[] write(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.array();
    }

    static JsonNode toJson(ApiMessage message, short version) throws Exception {
        Class<?> converter = Class.forName(message.getClass().getName() + "JsonConverter");
        Object json = converter.getMethod("write", message.getClass(), short.class).invoke(null, message, version);
        // As text and back: an IntNode is then equal to a ShortNode of the same value.
        return JSON.readTree(json.toString());
    }

    /** Error messages are everybody's own words. */
    static JsonNode withoutWords(JsonNode node) {
        if (node instanceof ObjectNode object) {
            object.remove("errorMessage");
        }
        node.forEach(CompareWire::withoutWords);
        return node;
    }

    static String snake(String camel) {
        return camel.replaceAll("(?<=[a-z0-9])([A-Z])", "_$1").toLowerCase();
    }

    /** Holds Kafka's values against ours by name. Kafka leaves tagged fields out when they are default. */
    static String compare(JsonNode theirs, JsonNode ours, String path) {
        if (ours.isObject() && ours.has("hex")) {
            return null;  // Record bytes are no part of Kafka's text; the bytes were compared.
        }
        if (ours.isObject()) {
            Map<String, JsonNode> named = new TreeMap<>();
            theirs.properties().forEach(field -> named.put(snake(field.getKey()), field.getValue()));
            for (var field : ours.properties()) {
                JsonNode value = named.remove(field.getKey());
                if (value == null && isDefault(field.getValue())) {
                    continue;
                }
                String at = path + "." + field.getKey();
                String fault = value == null ? at + " is missing" : compare(value, field.getValue(), at);
                if (fault != null) {
                    return fault;
                }
            }
            return named.isEmpty() ? null : path + named.keySet() + " we lack";
        }
        if (ours.isArray()) {
            if (theirs.size() != ours.size()) {
                return path + " has " + theirs.size() + " items and ours " + ours.size();
            }
            for (int i = 0; i < ours.size(); i++) {
                String fault = compare(theirs.get(i), ours.get(i), path + "[" + i + "]");
                if (fault != null) {
                    return fault;
                }
            }
            return null;
        }
        return theirs.equals(ours) ? null : path + " is " + theirs + " and ours " + ours;
    }

    static boolean isDefault(JsonNode value) {
        if (value.isObject()) {
            for (JsonNode field : value) {
                if (!isDefault(field)) {
                    return false;
                }
            }
            return true;
        }
        return value.isNull() || value.isArray() && value.isEmpty() || value.isBoolean() && !value.asBoolean()
            || value.isTextual() && (value.asText().isEmpty() || value.asText().equals("AAAAAAAAAAAAAAAAAAAAAA"))
            || value.isNumber() && (value.asLong() == 0 || value.asLong() == -1 || value.asLong() == Long.MAX_VALUE);
    }
}
