import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.ServerValidationModeEnum;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.MethodNotAllowedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeSystem;
import org.hl7.fhir.r4.model.CodeType;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.PlanDefinition;
import org.hl7.fhir.r4.model.UriType;
import org.hl7.fhir.r4.model.ValueSet;

/**
 * HAPI's own client on the FHIR base of the service.
 *
 * <p>Argument: the base URL. Prints one line for each thing that worked; throws where one did not.
 */
public final class Client {
    public static void main(String[] arguments) {
        FhirContext context = FhirContext.forR4();
        context.getRestfulClientFactory().setServerValidationMode(ServerValidationModeEnum.ONCE);
        context.getRestfulClientFactory().setSocketTimeout(60_000);
        IGenericClient client = context.newRestfulGenericClient(arguments[0]);
        CapabilityStatement can = client.capabilities().ofType(CapabilityStatement.class).execute();
        check("metadata", can.getFhirVersion().toCode().equals("4.0.1"));

        Bundle page = client.search().forResource(ValueSet.class).count(50).returnBundle(Bundle.class).execute();
        int total = page.getTotal(), seen = page.getEntry().size();
        while (page.getLink(Bundle.LINK_NEXT) != null) {
            page = client.loadPage().next(page).execute();
            seen += page.getEntry().size();
        }
        check("pages", seen == total && total > 50);
        Bundle named = client.search().forResource(ValueSet.class).where(ValueSet.NAME.matchesExactly().value("Fop"))
                .returnBundle(Bundle.class).execute();
        check("search", named.getEntry().size() == 1);

        ValueSet read = client.read().resource(ValueSet.class).withId("fop").execute();
        check("read", read.hasCompose() && read.getMeta().hasVersionId());
        check("not sent again", client.read().resource(ValueSet.class).withId("fop")
                .ifVersionMatches(read.getMeta().getVersionId()).returnNull().execute() == null);
        check("plan", client.read().resource(PlanDefinition.class).withId("ho-order-sign").execute().hasAction());

        ValueSet expanded = client.operation().onInstance("ValueSet/fop").named("$expand")
                .withNoParameters(Parameters.class).useHttpGet().returnResourceType(ValueSet.class).execute();
        ValueSet posted = client.operation().onType(ValueSet.class).named("$expand")
                .withParameter(Parameters.class, "url", new UriType(read.getUrl()))
                .returnResourceType(ValueSet.class).execute();
        check("expand", expanded.getExpansion().getTotal() == posted.getExpansion().getContains().size());
        Parameters valid = client.operation().onInstance("ValueSet/fop").named("$validate-code")
                .withParameter(Parameters.class, "system", new UriType("http://hl7.org/fhir/sid/icd-10-cm"))
                .andParameter("code", new CodeType("M61.119")).execute();
        check("validate-code", valid.getParameterBool("result"));
        CodeSystem ours = client.read().resource(CodeSystem.class).withId("referral").execute();
        Parameters told = client.operation().onType(CodeSystem.class).named("$lookup")
                .withParameter(Parameters.class, "system", new UriType(ours.getUrl()))
                .andParameter("code", new CodeType(ours.getConceptFirstRep().getCode())).execute();
        check("lookup", told.hasParameter("display"));

        try {
            client.read().resource(ValueSet.class).withId("nothing").execute();
            check("unknown id", false);
        } catch (ResourceNotFoundException error) {
            check("unknown id", said(error));
        }
        try {
            client.update().resource(read).withId("fop").execute();
            check("read-only", false);
        } catch (MethodNotAllowedException error) {
            check("read-only", said(error));
        }
    }

    private static boolean said(BaseServerResponseException error) {
        return error.getOperationOutcome() instanceof OperationOutcome outcome && outcome.hasIssue();
    }

    private static void check(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError(what);
        }
        System.out.println("ok " + what);
    }
}
