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
import ca.uhn.fhir.jpa.provider.ValueSetOperationProvider;
import ca.uhn.fhir.jpa.searchparam.submit.config.SearchParamSubmitterConfig;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.search.HapiHSearchAnalysisConfigurers;
import ca.uhn.fhir.rest.annotation.Metadata;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ServerCapabilityStatementProvider;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import jakarta.persistence.EntityManagerFactory;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hibernate.search.backend.lucene.cfg.LuceneBackendSettings;
import org.hibernate.search.backend.lucene.cfg.LuceneIndexSettings;
import org.hibernate.search.engine.cfg.BackendSettings;
import org.hl7.fhir.instance.model.api.IBaseConformance;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * A HAPI FHIR R4 server on this machine, in memory, for the tests of the service.
 *
 * <p>Prints its base URL when it is ready and ends when its standard input ends. Pages hold at most
 * PAGE_SIZE entries, so that a small record has several.
 */
public final class HapiServer {
    private static final int PAGE_SIZE = 5;
    private static boolean TERMINOLOGY = false;

    @Configuration
    @Import({
        JpaR4Config.class, HapiJpaConfig.class, PackageLoaderConfig.class, JpaBatch2Config.class,
        Batch2JobsConfig.class, SubscriptionTopicConfig.class, SubscriptionSubmitterConfig.class,
        SubscriptionProcessorConfig.class, SubscriptionChannelConfig.class,
        SearchParamSubmitterConfig.class, ThreadPoolFactoryConfig.class
    })
    static class Beans {
        @Bean
        DataSource dataSource() {
            BasicDataSource source = new BasicDataSource();
            source.setDriver(new org.h2.Driver());
            source.setUrl("jdbc:h2:mem:ehr;DB_CLOSE_DELAY=-1");
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
            if (TERMINOLOGY) {
                // Hierarchies ("concept is-a") are asked of the index of Hibernate Search.
                jpa.put(BackendSettings.backendKey(BackendSettings.TYPE), "lucene");
                jpa.put(
                        BackendSettings.backendKey(LuceneBackendSettings.ANALYSIS_CONFIGURER),
                        HapiHSearchAnalysisConfigurers.HapiLuceneAnalysisConfigurer.class.getName());
                jpa.put(BackendSettings.backendKey(LuceneIndexSettings.DIRECTORY_TYPE), "local-heap");
                jpa.put(BackendSettings.backendKey(LuceneBackendSettings.LUCENE_VERSION), "LATEST");
            } else {
                jpa.put("hibernate.search.enabled", "false");
            }
            factory.setJpaProperties(jpa);
            return factory;
        }

        @Primary
        @Bean
        JpaTransactionManager transactionManager(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }

        @Bean JpaStorageSettings storageSettings() {
            JpaStorageSettings settings = new JpaStorageSettings();
            settings.setResourceServerIdStrategy(JpaStorageSettings.IdStrategyEnum.UUID);
            settings.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
            settings.setReuseCachedSearchResultsForMillis(null);
            settings.setEnforceReferentialIntegrityOnWrite(false);
            return settings;
        }

        @Bean SubscriptionSettings subscriptionSettings() { return new SubscriptionSettings(); }
        @Bean PartitionSettings partitionSettings() { return new PartitionSettings(); }
        @Bean IBinaryStorageSvc binaryStorage() { return new MemoryBinaryStorageSvcImpl(); }
        @Bean IEmailSender emailSender() { return details -> {}; }
    }

    /** Made once: it takes seconds, and HAPI keeps it for a minute only. */
    static final class Capabilities extends ServerCapabilityStatementProvider {
        Capabilities(RestfulServer server) { super(server); }

        @Override
        @Metadata(cacheMillis = 3_600_000)
        public IBaseConformance getServerConformance(HttpServletRequest request, RequestDetails details) {
            return super.getServerConformance(request, details);
        }
    }

    public static void main(String[] arguments) throws Exception {
        TERMINOLOGY = arguments.length > 0 && arguments[0].equals("terminology");
        AnnotationConfigApplicationContext beans = new AnnotationConfigApplicationContext(Beans.class);
        RestfulServer fhir = new RestfulServer(beans.getBean(FhirContext.class));
        fhir.registerProviders(beans.getBean("myResourceProvidersR4", ResourceProviderFactory.class).createProviders());
        fhir.registerProvider(beans.getBean(JpaSystemProvider.class));
        if (TERMINOLOGY) {
            fhir.registerProvider(beans.getBean(ValueSetOperationProvider.class));
        }
        DatabaseBackedPagingProvider paging = beans.getBean(DatabaseBackedPagingProvider.class);
        paging.setDefaultPageSize(PAGE_SIZE);
        paging.setMaximumPageSize(PAGE_SIZE);
        fhir.setPagingProvider(paging);
        fhir.setServerConformanceProvider(new Capabilities(fhir));
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
