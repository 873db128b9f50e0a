package clients;

import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Clients for long runs against a broker that goes and comes back: they notice soon, and do not give up. Only what
 * every client since 2.8 has.
 */
final class Clients {
    private final String bootstrap;

    Clients(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /** The settings are names and values in turn; later ones win. */
    private Properties properties(String[] first, String... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("reconnect.backoff.ms", "20");
        properties.put("reconnect.backoff.max.ms", "300");
        properties.put("request.timeout.ms", "8000");
        for (String[] all : new String[][] {first, settings}) {
            for (int at = 0; at < all.length; at += 2) properties.put(all[at], all[at + 1]);
        }
        return properties;
    }

    Admin admin() {
        return Admin.create(properties(new String[] {"default.api.timeout.ms", "30000"}));
    }

    Producer<String, String> producer(String... settings) {
        String[] usual = {"acks", "all", "enable.idempotence", "true", "delivery.timeout.ms", "120000", "linger.ms", "2"};
        return new KafkaProducer<>(properties(usual, settings), new StringSerializer(), new StringSerializer());
    }

    Consumer<String, String> consumer(String... settings) {
        String[] usual = {
            "enable.auto.commit", "false", "auto.offset.reset", "earliest", "isolation.level", "read_committed",
            "fetch.max.wait.ms", "100", "default.api.timeout.ms", "30000"
        };
        return new KafkaConsumer<>(properties(usual, settings), new StringDeserializer(), new StringDeserializer());
    }
}
