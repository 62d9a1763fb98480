import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

/**
 * EU DSS judges PDFs by its own default policy, without a network: it trusts one root and knows the revocation
 * lists that it is given.
 *
 * <pre>java Judge OUT-FOLDER ROOT.pem A.crl,B.crl FILE.pdf…</pre>
 *
 * writes <code>FILE.simple.xml</code> and <code>FILE.detailed.xml</code> into the folder.
 */
public final class Judge {
    public static void main(String[] given) throws Exception {
        Path out = Path.of(given[0]);
        CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
        trusted.addCertificate(DSSUtils.loadCertificate(new File(given[1])));
        FileDocument[] lists =
                Arrays.stream(given[2].split(",")).map(FileDocument::new).toArray(FileDocument[]::new);
        for (String name : Arrays.copyOfRange(given, 3, given.length)) {
            CommonCertificateVerifier verifier = new CommonCertificateVerifier();
            verifier.setAIASource(null);
            verifier.setTrustedCertSources(trusted);
            verifier.setCrlSource(new ExternalResourcesCRLSource(lists));
            SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(name));
            validator.setCertificateVerifier(verifier);
            validator.setLocale(Locale.ENGLISH);
            Reports reports = validator.validateDocument();
            String stem = Path.of(name).getFileName().toString().replaceFirst("\\.pdf$", "");
            Files.writeString(out.resolve(stem + ".simple.xml"), reports.getXmlSimpleReport());
            Files.writeString(out.resolve(stem + ".detailed.xml"), reports.getXmlDetailedReport());
        }
    }
}
