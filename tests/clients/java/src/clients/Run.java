package clients;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Runs the tests, prints a line for each, exits non-zero when one failed: {@code Run VERSION all|smoke [PART-OF-A-NAME]}. */
public final class Run {
    public interface Body {
        void run(Cluster cluster) throws Exception;
    }

    /** A test, and the keys of the APIs without which it is skipped. */
    public record Test(String name, Body body, int... apis) {
        List<Integer> lacking() {
            List<String> offered = List.of(System.getenv("OFFERS").split(" "));
            return Arrays.stream(apis).boxed().filter(key -> !offered.contains("" + key)).toList();
        }
    }

    public static void main(String[] arguments) {
        String version = arguments[0];
        List<Test> tests = new ArrayList<>(SmokeTests.ALL);
        if (arguments[1].equals("all")) {
            tests.addAll(ProduceTests.ALL);
            tests.addAll(ConsumeTests.ALL);
            tests.addAll(AdminTests.ALL);
            tests.addAll(GroupTests.ALL);
            tests.addAll(ConsumerProtocolTests.ALL);
            tests.addAll(TransactionTests.ALL);
        }
        boolean failed = false;
        for (Test test : tests) {
            String name = version + "-" + test.name();
            if (arguments.length > 2 && !name.contains(arguments[2])) continue;
            if (!test.lacking().isEmpty()) {
                System.out.println("skip " + name + ": the broker does not offer the APIs " + test.lacking());
                continue;
            }
            System.err.println("--- " + name);
            try (Cluster cluster = new Cluster(System.getenv("BOOTSTRAP"), name)) {
                test.body().run(cluster);
                System.out.println("ok " + name);
            } catch (Throwable failure) {
                failed = true;
                failure.printStackTrace();
                System.out.println("FAIL " + name + ": " + failure.toString().replace('\n', ' '));
            }
        }
        System.exit(failed ? 1 : 0);
    }
}
