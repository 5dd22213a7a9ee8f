import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.common.hapi.validation.validator.WorkerContextValidationSupportAdapter;
import org.hl7.fhir.instance.model.api.IBaseResource;

/**
 * Validates every resource of an unpacked FHIR package with HAPI's FhirInstanceValidator for R4.
 *
 * <p>Argument: the folder. Prints one line for each error, a count of the warnings by their text, and
 * the number of resources. The snapshot of a StructureDefinition cannot be made anew here: counted, no error. Ends with 1 where there is an error.
 */
public final class Validate {
    /** To make the snapshot of a StructureDefinition anew the validator asks a package server, of which there is none. */
    private static final String PACKAGE_SERVER = "Unable to resolve package id hl7.fhir.r4.core";

    public static void main(String[] arguments) throws Exception {
        FhirContext context = FhirContext.forR4();
        List<Path> files = new ArrayList<>();
        try (var listed = Files.list(Path.of(arguments[0]))) {
            listed.filter(one -> one.getFileName().toString().matches("[A-Z].*\\.json")).sorted().forEach(files::add);
        }
        PrePopulatedValidationSupport ours = new PrePopulatedValidationSupport(context);
        for (Path file : files) {
            IBaseResource resource = context.newJsonParser().parseResource(read(file));
            ours.addResource(resource);
        }
        UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
        unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
        ValidationSupportChain chain = new ValidationSupportChain(
                new DefaultProfileValidationSupport(context), ours, new CommonCodeSystemsTerminologyService(context),
                new InMemoryTerminologyServerValidationSupport(context),
                new SnapshotGeneratingValidationSupport(context), unknown);
        FhirValidator validator = context.newValidator();
        validator.registerValidatorModule(new FhirInstanceValidator(chain) {
            @Override
            protected WorkerContextValidationSupportAdapter provideWorkerContext() {
                return new Context(chain);
            }
        });
        Map<String, Integer> warnings = new TreeMap<>();
        int errors = 0;
        int unchecked = 0;
        for (Path file : files) {
            for (SingleValidationMessage one : validator.validateWithResult(read(file)).getMessages()) {
                if (one.getMessage().contains(PACKAGE_SERVER)) {
                    unchecked++;
                } else if (one.getSeverity().ordinal() >= ResultSeverityEnum.ERROR.ordinal()) {
                    errors++;
                    System.out.println("error " + file.getFileName() + " " + one.getLocationString() + " " + one.getMessage());
                } else if (one.getSeverity() == ResultSeverityEnum.WARNING) {
                    warnings.merge(one.getMessage().replaceAll("'[^']*'", "'...'"), 1, Integer::sum);
                }
            }
        }
        warnings.forEach((text, count) -> System.out.println("warning " + count + " " + text));
        System.out.println("resources " + files.size() + " errors " + errors + " snapshots not checked " + unchecked);
        System.exit(errors > 0 || files.isEmpty() ? 1 : 0);
    }

    /** HAPI 8.8.0 throws where a value set names a code system by its OID: nothing is known by an OID here. */
    private static final class Context extends WorkerContextValidationSupportAdapter {
        Context(IValidationSupport support) {
            super(support);
        }

        @Override
        public <T extends org.hl7.fhir.r5.model.Resource> List<T> fetchResourcesByType(Class<T> type) {
            return type == org.hl7.fhir.r5.model.CodeSystem.class ? List.of() : super.fetchResourcesByType(type);
        }
    }

    private static String read(Path file) throws Exception {
        return Files.readString(file, StandardCharsets.UTF_8);
    }
}
