// Runs fauxqs on loopback: its own command listens on every interface. Takes the folder with node_modules, prints the port.
// Three things are put right, in which SQS differs: see below.
import { AsyncLocalStorage } from "node:async_hooks";
import { pathToFileURL } from "node:url";

const dist = `${process.argv.at(-1)}/node_modules/fauxqs/dist`;
const { buildApp } = await import(pathToFileURL(`${dist}/app.js`));
const { SqsQueue, SqsStore } = await import(pathToFileURL(`${dist}/sqs/sqsStore.js`));

const sqsStore = new SqsStore();
// 1. A queue's URL holds the address of the request, instead of a name that a resolver may not know.
sqsStore.host = "";
const app = buildApp({ logger: false, stores: { sqsStore } });

// 2. A long poll whose client has gone takes no message: it would hide it for a visibility timeout.
const requests = new AsyncLocalStorage();
app.addHook("onRequest", (request, reply, done) => requests.run(request.raw.socket, done));
const dequeue = SqsQueue.prototype.dequeue;
SqsQueue.prototype.dequeue = function (...args) {
	return requests.getStore()?.destroyed ? [] : dequeue.apply(this, args);
};

// 3. Delays and visibility timeouts end when they end, not at the next receive: the counts and receipts tell.
setInterval(() => sqsStore.processAllTimers(), 20);

const address = await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`listening on ${new URL(address).port}`);
process.on("SIGTERM", () => process.exit(0));
