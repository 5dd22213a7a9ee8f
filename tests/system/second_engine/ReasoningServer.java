import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.MemoryBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.PackageLoaderConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.searchparam.submit.config.SearchParamSubmitterConfig;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.opencds.cqf.fhir.cql.EvaluationSettings;
import org.opencds.cqf.fhir.cql.engine.retrieve.RetrieveSettings;
import org.opencds.cqf.fhir.cql.engine.terminology.TerminologySettings;
import org.opencds.cqf.fhir.cr.hapi.config.RepositoryConfig;
import org.opencds.cqf.fhir.cr.hapi.config.r4.ApplyOperationConfig;
import org.opencds.cqf.fhir.utility.client.TerminologyServerClientSettings;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * HAPI's own server for FHIR R4 with the $apply operations of clinical reasoning, on this machine, in memory.
 *
 * <p>Prints its base URL when it is ready and ends when its standard input ends.
 */
public final class ReasoningServer {
    @Configuration
    @Import({
        JpaR4Config.class, HapiJpaConfig.class, PackageLoaderConfig.class, JpaBatch2Config.class,
        Batch2JobsConfig.class, SubscriptionTopicConfig.class, SubscriptionSubmitterConfig.class,
        SubscriptionProcessorConfig.class, SubscriptionChannelConfig.class,
        SearchParamSubmitterConfig.class, ThreadPoolFactoryConfig.class,
        RepositoryConfig.class, ApplyOperationConfig.class
    })
    static class Beans {
        @Bean
        RestfulServer restfulServer(FhirContext context) { return new RestfulServer(context); }

        /** As the starter of HAPI sets them: value sets are expanded by their lists, data is searched for. */
        @Bean
        EvaluationSettings evaluationSettings() {
            EvaluationSettings settings = EvaluationSettings.getDefault();
            settings.getTerminologySettings()
                    .setValuesetExpansionMode(
                            TerminologySettings.VALUESET_EXPANSION_MODE.PERFORM_NAIVE_EXPANSION)
                    .setValuesetMembershipMode(TerminologySettings.VALUESET_MEMBERSHIP_MODE.USE_EXPANSION);
            settings.getRetrieveSettings()
                    .setSearchParameterMode(RetrieveSettings.SEARCH_FILTER_MODE.USE_SEARCH_PARAMETERS)
                    .setTerminologyParameterMode(RetrieveSettings.TERMINOLOGY_FILTER_MODE.FILTER_IN_MEMORY);
            return settings;
        }

        @Bean
        TerminologyServerClientSettings terminologyServerClientSettings() {
            return TerminologyServerClientSettings.getDefault();
        }

        @Bean
        DataSource dataSource() {
            BasicDataSource source = new BasicDataSource();
            source.setDriver(new org.h2.Driver());
            source.setUrl("jdbc:h2:mem:reasoning;DB_CLOSE_DELAY=-1");
            source.setUsername("sa");
            source.setPassword("");
            source.setMaxTotal(20);
            return source;
        }

        @Primary
        @Bean
        LocalContainerEntityManagerFactoryBean entityManagerFactory(
                ConfigurableListableBeanFactory beans, FhirContext context, JpaStorageSettings settings) {
            LocalContainerEntityManagerFactoryBean factory =
                    HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, context, settings);
            factory.setPersistenceUnitName("HAPI_PU");
            factory.setDataSource(dataSource());
            Properties jpa = new Properties();
            jpa.put("hibernate.hbm2ddl.auto", "create");
            jpa.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
            jpa.put("hibernate.search.enabled", "false");
            factory.setJpaProperties(jpa);
            return factory;
        }

        @Primary
        @Bean
        JpaTransactionManager transactionManager(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }

        @Bean
        JpaStorageSettings storageSettings() {
            JpaStorageSettings settings = new JpaStorageSettings();
            settings.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
            settings.setReuseCachedSearchResultsForMillis(null);
            settings.setEnforceReferentialIntegrityOnWrite(false);
            settings.setPreExpandValueSets(false); // the engine takes the lists as they are
            return settings;
        }

        @Bean SubscriptionSettings subscriptionSettings() { return new SubscriptionSettings(); }
        @Bean PartitionSettings partitionSettings() { return new PartitionSettings(); }
        @Bean IBinaryStorageSvc binaryStorage() { return new MemoryBinaryStorageSvcImpl(); }
        @Bean IEmailSender emailSender() { return details -> {}; }
    }

    public static void main(String[] arguments) throws Exception {
        AnnotationConfigApplicationContext beans = new AnnotationConfigApplicationContext(Beans.class);
        RestfulServer fhir = beans.getBean(RestfulServer.class);
        fhir.registerProviders(
                beans.getBean("myResourceProvidersR4", ResourceProviderFactory.class).createProviders());
        fhir.registerProvider(beans.getBean(JpaSystemProvider.class));
        fhir.setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        server.addConnector(connector);
        ServletContextHandler context = new ServletContextHandler("/");
        context.addServlet(new ServletHolder(fhir), "/fhir/*");
        server.setHandler(context);
        server.start();
        System.out.println("http://127.0.0.1:" + connector.getLocalPort() + "/fhir");
        System.out.flush();
        System.in.transferTo(java.io.OutputStream.nullOutputStream());
        System.exit(0);
    }
}
