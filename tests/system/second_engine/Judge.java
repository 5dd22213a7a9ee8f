import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.repository.IRepository;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.commons.lang3.tuple.Pair;
import org.hl7.elm.r1.VersionedIdentifier;
import org.hl7.fhir.instance.model.api.IBase;
import org.hl7.fhir.instance.model.api.IBaseBundle;
import org.hl7.fhir.instance.model.api.IBaseParameters;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CarePlan;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.RequestGroup;
import org.hl7.fhir.r4.model.Resource;
import org.opencds.cqf.cql.engine.execution.EvaluationResult;
import org.opencds.cqf.cql.engine.execution.EvaluationResultsForMultiLib;
import org.opencds.cqf.fhir.cql.Engines;
import org.opencds.cqf.fhir.cql.EvaluationSettings;
import org.opencds.cqf.fhir.cql.LibraryConstructor;
import org.opencds.cqf.fhir.cql.LibraryEngine;
import org.opencds.cqf.fhir.cql.engine.retrieve.RetrieveSettings;
import org.opencds.cqf.fhir.cql.engine.terminology.TerminologySettings;
import org.opencds.cqf.fhir.cr.CrSettings;
import org.opencds.cqf.fhir.cr.plandefinition.PlanDefinitionProcessor;
import org.opencds.cqf.fhir.utility.monad.Eithers;
import org.opencds.cqf.fhir.utility.repository.InMemoryFhirRepository;
import org.opencds.cqf.fhir.utility.repository.Repositories;
import org.cqframework.cql.cql2elm.StringLibrarySourceProvider;
import org.opencds.cqf.fhir.cql.engine.parameters.CqlParameterDefinition;

/**
 * The FHIR package in the engine of the CQF project: one line of JSON in, one line out, until the input ends.
 *
 * <p>{"package": folder} loads the resources of a package. {"id", "today", "bundle", "parameters"} asks about one
 * patient: "plan": true runs PlanDefinition/$apply, "defines": [library, ...] gives the value of every define.
 * With "once": true all defines are asked once, and each condition of $apply gets its value from there: the engine
 * alone would build itself anew for each condition, which gives the same and costs several times as much.
 */
public final class Judge {
    private static final FhirContext R4 = FhirContext.forR4Cached();
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final IdType PLAN = new IdType("PlanDefinition", "ho-order-sign");

    private IRepository content;
    private EvaluationSettings settings;

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // what a library prints is no answer
        Judge judge = new Judge();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode asked = JSON.readTree(line);
            ObjectNode said = JSON.createObjectNode();
            try {
                if (asked.has("package")) {
                    said.put("loaded", judge.load(Path.of(asked.get("package").asText())));
                } else {
                    judge.ask(asked, said);
                }
            } catch (Exception error) {
                said.put("error", error.toString());
            }
            out.println(JSON.writeValueAsString(said));
        }
    }

    private int load(Path folder) throws Exception {
        Bundle all = new Bundle().setType(Bundle.BundleType.COLLECTION);
        IParser parser = R4.newJsonParser();
        try (var listed = Files.list(folder)) {
            for (Path one : listed.sorted().toList()) {
                String name = one.getFileName().toString();
                if (name.endsWith(".json") && name.contains("-")) {
                    all.addEntry().setResource((Resource) parser.parseResource(Files.readString(one)));
                }
            }
        }
        content = new InMemoryFhirRepository(R4, all);
        settings = EvaluationSettings.getDefault();
        settings.getRetrieveSettings()
                .setSearchParameterMode(RetrieveSettings.SEARCH_FILTER_MODE.FILTER_IN_MEMORY)
                .setTerminologyParameterMode(RetrieveSettings.TERMINOLOGY_FILTER_MODE.FILTER_IN_MEMORY);
        settings.getTerminologySettings()
                .setValuesetExpansionMode(TerminologySettings.VALUESET_EXPANSION_MODE.PERFORM_NAIVE_EXPANSION);
        return all.getEntry().size();
    }

    private void ask(JsonNode asked, ObjectNode said) throws Exception {
        said.set("id", asked.get("id"));
        Bundle data = R4.newJsonParser().parseResource(Bundle.class, JSON.writeValueAsString(asked.get("bundle")));
        IRepository repository =
                Repositories.proxy(new InMemoryFhirRepository(R4, data), content, content);
        Parameters known = new Parameters();
        asked.get("parameters").properties()
                .forEach(one -> known.addParameter(one.getKey(), one.getValue().asBoolean()));
        ZonedDateTime now = LocalDate.parse(asked.get("today").asText()).atTime(12, 0).atZone(ZoneOffset.UTC);
        Dated engine = new Dated(repository, settings, now, asked.path("once").asBoolean());
        long start = cpu();
        if (asked.path("plan").asBoolean()) {
            plan(asked.get("patient").asText(), known, engine, said);
            said.put("plan_ms", (cpu() - start) / 1e6);
        }
        start = cpu();
        if (!asked.path("defines").isEmpty()) {
            defines(asked.get("defines"), asked.get("patient").asText(), known, engine, said.putObject("defines"));
            said.put("defines_ms", (cpu() - start) / 1e6);
        }
    }

    private static long cpu() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private void plan(String patient, Parameters known, Dated engine, ObjectNode said) {
        var processor = new PlanDefinitionProcessor(
                engine.getRepository(), CrSettings.getDefault().withEvaluationSettings(settings));
        CarePlan plan = (CarePlan) processor.apply(
                Eithers.forMiddle3(PLAN), patient, null, null, null, null, null, null, null, null, known,
                (IBaseBundle) null, null, engine);
        ArrayNode actions = said.putArray("actions");
        ArrayNode errors = said.putArray("errors");
        ArrayNode drafts = said.putArray("drafts");
        for (Resource held : plan.getContained()) {
            if (held instanceof RequestGroup group) {
                group.getAction().forEach(one -> applied(one, actions));
            } else if (held instanceof OperationOutcome outcome) {
                outcome.getIssue().forEach(issue -> errors.add(issue.getDiagnostics()));
            } else {
                drafts.add(held.fhirType() + "/" + held.getIdPart());
            }
        }
    }

    private static void applied(RequestGroup.RequestGroupActionComponent action, ArrayNode into) {
        into.add(action.getId());
        action.getAction().forEach(one -> applied(one, into));
    }

    private void defines(
            JsonNode libraries, String patient, Parameters known, Dated engine, ObjectNode into) {
        List<String> names = new ArrayList<>();
        libraries.forEach(one -> names.add(one.asText()));
        var found = engine.once ? engine.everything(patient, known) : engine.all(names, patient, known);
        found.getResults().forEach((id, results) -> {
            if (!names.contains(id.getId())) {
                return;
            }
            ObjectNode values = into.putObject(id.getId());
            results.expressionResults.forEach((name, result) -> {
                if (result.value() == null) {
                    values.putNull(name);
                } else if (result.value() instanceof Boolean yes) {
                    values.put(name, yes);
                }
            });
        });
    }

    /** The engine on a day that is told: what the engine itself does, where it would take the day of today. */
    private static final class Dated extends LibraryEngine {
        private static final List<String> ALL =
                List.of("HOTriggers", "HOFactors", "HOGenetic", "HOExclusions", "HOPlan");
        private final ZonedDateTime now;
        private final boolean once;
        private EvaluationResultsForMultiLib asked;

        Dated(IRepository repository, EvaluationSettings settings, ZonedDateTime now, boolean once) {
            super(repository, settings);
            this.now = now;
            this.once = once;
        }

        EvaluationResultsForMultiLib all(List<String> names, String patient, IBaseParameters known) {
            var ids = names.stream().map(one -> new VersionedIdentifier().withId(one)).toList();
            var found = getEvaluationResult(ids, patient, known, Map.of(), null, null, null, now, null);
            found.getExceptions().forEach((id, error) -> { throw error; });
            return found;
        }

        EvaluationResultsForMultiLib everything(String patient, IBaseParameters known) {
            asked = asked == null ? all(ALL, patient, known) : asked;
            return asked;
        }

        @Override
        public IBaseParameters evaluate(
                VersionedIdentifier id, String patient, IBaseParameters parameters, Map<String, Object> raw,
                IBaseBundle data, ZonedDateTime when, Set<String> expressions) {
            if (!once) {
                return super.evaluate(id, patient, parameters, raw, data, now, expressions);
            }
            EvaluationResult one = new EvaluationResult();
            everything(patient, parameters).getResults().forEach((library, found) -> {
                if (library.getId().equals(id.getId())) {
                    expressions.forEach(name -> one.expressionResults.put(name, found.forExpression(name)));
                }
            });
            return Engines.getCqlFhirParametersConverter(fhirContext).toFhirParameters(one);
        }

        @Override
        public IBaseParameters evaluateExpression(
                String expression, IBaseParameters parameters, Map<String, Object> raw, String patient,
                Map<String, String> libraries, IBaseBundle data, IBase context, IBase resource) {
            var converter = Engines.getCqlFhirParametersConverter(fhirContext);
            List<CqlParameterDefinition> declared = converter.toCqlParameterDefinitions(parameters);
            String cql = new LibraryConstructor(fhirContext)
                    .constructCqlLibrary("expression", "1.0.0", expression, libraries, declared);
            EvaluationSettings own = new EvaluationSettings(settings);
            own.getLibrarySourceProviders().add(new StringLibrarySourceProvider(new ArrayList<>(List.of(cql))));
            var result = Engines.forRepository(repository, own, data)
                    .evaluate(
                            new VersionedIdentifier().withId("expression").withVersion("1.0.0"), Set.of("return"),
                            Pair.of("Patient", patient), converter.toCqlParameters(parameters), null, now);
            return converter.toFhirParameters(result);
        }
    }
}
