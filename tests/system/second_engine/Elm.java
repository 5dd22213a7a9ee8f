import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.cqframework.cql.cql2elm.CqlCompilerOptions;
import org.cqframework.cql.cql2elm.CqlTranslator;
import org.cqframework.cql.cql2elm.DefaultLibrarySourceProvider;
import org.cqframework.cql.cql2elm.LibraryBuilder;
import org.cqframework.cql.cql2elm.LibraryManager;
import org.cqframework.cql.cql2elm.ModelManager;
import org.cqframework.cql.cql2elm.quick.FhirLibrarySourceProvider;
import org.hl7.elm.r1.VersionedIdentifier;

/**
 * Translates the CQL of a package to ELM for engines that read nothing else, with FHIRHelpers.
 *
 * <p>Arguments: the folder of the CQL files, the folder for the ELM (JSON). All signatures are written: engines
 * that run ELM alone choose functions by them.
 */
public final class Elm {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Path out = Files.createDirectories(Path.of(arguments[1]));
        CqlCompilerOptions options = new CqlCompilerOptions();
        options.setSignatureLevel(LibraryBuilder.SignatureLevel.All);
        LibraryManager libraries = new LibraryManager(new ModelManager(), options);
        FhirLibrarySourceProvider helpers = new FhirLibrarySourceProvider();
        libraries.getLibrarySourceLoader().registerProvider(new DefaultLibrarySourceProvider(folder));
        libraries.getLibrarySourceLoader().registerProvider(helpers);
        VersionedIdentifier name = new VersionedIdentifier().withId("FHIRHelpers").withVersion("4.0.1");
        try (InputStream source = helpers.getLibrarySource(name)) {
            write(CqlTranslator.fromStream(source, libraries), out.resolve("FHIRHelpers.json"));
        }
        List<Path> sources;
        try (var listed = Files.list(folder)) {
            sources = listed.filter(one -> one.toString().endsWith(".cql")).sorted().toList();
        }
        for (Path source : sources) {
            String text = Files.readString(source, StandardCharsets.UTF_8);
            String file = source.getFileName().toString().replace(".cql", ".json");
            write(CqlTranslator.fromText(text, libraries), out.resolve(file));
        }
    }

    private static void write(CqlTranslator translated, Path file) throws Exception {
        if (!translated.getErrors().isEmpty()) {
            throw new IllegalStateException(file + ": " + translated.getErrors());
        }
        Files.writeString(file, translated.toJson(), StandardCharsets.UTF_8);
    }
}
