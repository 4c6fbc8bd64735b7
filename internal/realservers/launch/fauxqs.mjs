// Runs fauxqs on loopback: its own command listens on every interface. Takes the folder with node_modules, prints the port.
import { pathToFileURL } from "node:url";

const dir = process.argv.at(-1);
const { buildApp } = await import(pathToFileURL(`${dir}/node_modules/fauxqs/dist/app.js`));
const app = buildApp({ logger: false });
const address = await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`listening on ${new URL(address).port}`);
process.on("SIGTERM", () => process.exit(0));
