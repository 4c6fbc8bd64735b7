import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** Runs DynamoDB Local on loopback and a free port: its own main class listens on every interface. Prints the port. */
public final class DynamoDBLoopback {
	public static void main(String[] args) throws Exception {
		DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(args);
		Field field = DynamoDBProxyServer.class.getDeclaredField("server");
		field.setAccessible(true);
		ServerConnector connector = (ServerConnector) ((Server) field.get(local)).getConnectors()[0];
		connector.setHost("127.0.0.1");
		connector.setPort(0);
		local.start();
		System.out.println("listening on " + connector.getLocalPort());
		local.join();
	}
}
