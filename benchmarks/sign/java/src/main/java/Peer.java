import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * One Java library as the benchmark asks for it: for every line with a number on standard input that many
 * signatures, answered for each with its milliseconds by the clock and of processor, and whether the thread lost the processor meanwhile; the
 * last signed file stays.
 *
 * <pre>java Peer pdfbox|dss IN.pdf KEY.p12 PASSPHRASE OUT.pdf</pre>
 */
public final class Peer {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /** What is measured: the bytes of a PDF in, those of the signed one out. */
    interface Signer {
        byte[] sign(byte[] pdf) throws Exception;
    }

    public static void main(String[] given) throws Exception {
        byte[] pdf = Files.readAllBytes(Path.of(given[1]));
        byte[] store = Files.readAllBytes(Path.of(given[2]));
        char[] passphrase = given[3].toCharArray();
        Path out = Path.of(given[4]);
        Signer signer = switch (given[0]) {
            case "pdfbox" -> new PdfBoxSigner(store, passphrase);
            case "dss" -> new DssSigner(store, passphrase);
            default -> throw new IllegalArgumentException(given[0]);
        };
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String order = orders.readLine(); order != null; order = orders.readLine()) {
            int times = Integer.parseInt(order.strip());
            StringJoiner took = new StringJoiner(", ", "[", "]");
            byte[] signed = {};
            for (int i = 0; i < times; i++) {
                String before = interruptions();
                long cpu = THREADS.getCurrentThreadCpuTime();
                long began = System.nanoTime();
                signed = signer.sign(pdf);
                double ms = (System.nanoTime() - began) / 1e6;
                double cpuMs = (THREADS.getCurrentThreadCpuTime() - cpu) / 1e6;
                boolean isInterrupted = !interruptions().equals(before);
                took.add(String.format(Locale.ROOT, "[%.4f, %.4f, %b]", ms, cpuMs, isInterrupted));
            }
            Files.write(out, signed);
            System.out.println(took);
        }
    }

    /** How often this thread lost the processor to somebody else, as the kernel says it. */
    private static String interruptions() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/thread-self/status"))) {
            if (line.startsWith("nonvoluntary_ctxt_switches")) {
                return line;
            }
        }
        return "";
    }
}
