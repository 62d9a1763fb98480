import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.InMemoryDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.pdf.pdfbox.PdfBoxNativeObjectFactory;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.token.DSSPrivateKeyEntry;
import eu.europa.esig.dss.token.Pkcs12SignatureToken;
import java.io.ByteArrayOutputStream;
import java.security.KeyStore.PasswordProtection;
import java.util.Date;

/** EU DSS as its documentation shows it: data to be signed, signature value, signed document; the key stays loaded. */
final class DssSigner implements Peer.Signer {
    private final Pkcs12SignatureToken token;
    private final DSSPrivateKeyEntry key;
    private final PAdESService service;

    DssSigner(byte[] store, char[] passphrase) {
        token = new Pkcs12SignatureToken(store, new PasswordProtection(passphrase));
        key = token.getKeys().get(0);
        service = new PAdESService(new CommonCertificateVerifier());
        service.setPdfObjFactory(new PdfBoxNativeObjectFactory());
    }

    @Override
    public byte[] sign(byte[] pdf) throws Exception {
        PAdESSignatureParameters parameters = new PAdESSignatureParameters();
        parameters.setSignatureLevel(SignatureLevel.PAdES_BASELINE_B);
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        parameters.setSigningCertificate(key.getCertificate());
        parameters.setCertificateChain(key.getCertificateChain());
        parameters.bLevel().setSigningDate(new Date());
        DSSDocument document = new InMemoryDocument(pdf);
        ToBeSigned data = service.getDataToSign(document, parameters);
        SignatureValue value = token.sign(data, DigestAlgorithm.SHA256, key);
        ByteArrayOutputStream out = new ByteArrayOutputStream(pdf.length + 65_536);
        service.signDocument(document, parameters, value).writeTo(out);
        return out.toByteArray();
    }
}
