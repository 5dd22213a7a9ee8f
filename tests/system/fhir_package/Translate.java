import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.cqframework.cql.cql2elm.CqlCompilerException;
import org.cqframework.cql.cql2elm.CqlCompilerOptions;
import org.cqframework.cql.cql2elm.CqlTranslator;
import org.cqframework.cql.cql2elm.DefaultLibrarySourceProvider;
import org.cqframework.cql.cql2elm.LibraryManager;
import org.cqframework.cql.cql2elm.ModelManager;
import org.cqframework.cql.cql2elm.quick.FhirLibrarySourceProvider;

/**
 * Translates the CQL files of a folder to ELM, with the translator of the CQL project.
 *
 * <p>Arguments: the folder, and the folder for the ELM (JSON). Prints one line for each finding, and
 * one for each library. Ends with 1 where a finding is an error.
 */
public final class Translate {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Path out = Files.createDirectories(Path.of(arguments[1]));
        LibraryManager libraries = new LibraryManager(new ModelManager(), CqlCompilerOptions.defaultOptions());
        libraries.getLibrarySourceLoader().registerProvider(new DefaultLibrarySourceProvider(folder));
        libraries.getLibrarySourceLoader().registerProvider(new FhirLibrarySourceProvider());
        List<Path> sources = new ArrayList<>();
        try (var listed = Files.list(folder)) {
            listed.filter(one -> one.toString().endsWith(".cql")).sorted().forEach(sources::add);
        }
        boolean failed = sources.isEmpty();
        for (Path source : sources) {
            CqlTranslator translator = CqlTranslator.fromText(
                    Files.readString(source, StandardCharsets.UTF_8), libraries);
            int errors = 0;
            for (CqlCompilerException finding : translator.getExceptions()) {
                System.out.println(finding.getSeverity() + " " + source.getFileName() + " "
                        + (finding.getLocator() == null ? "" : finding.getLocator().toLocator()) + " "
                        + String.valueOf(finding.getMessage()).replace('\n', ' '));
                errors += finding.getSeverity() == CqlCompilerException.ErrorSeverity.Error ? 1 : 0;
            }
            failed = failed || errors > 0;
            String name = source.getFileName().toString().replace(".cql", ".json");
            Files.writeString(out.resolve(name), translator.toJson(), StandardCharsets.UTF_8);
            System.out.println("library " + source.getFileName() + " errors " + errors);
        }
        System.exit(failed ? 1 : 0);
    }
}
