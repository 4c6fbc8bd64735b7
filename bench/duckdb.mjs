// Runs a query over files of JSON lines with DuckDB, in this process, and prints one JSON object: seconds of wall and of
// processor, and the rows as text. One file is read before the clock starts, for what is set up at the first use.
//
//	node duckdb.mjs MODULES FOLDER SUFFIX q1c|q1e THREADS CUTOFF
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

const [modules, folder, suffix, name, threads, cutoff] = process.argv.slice(2)
const { DuckDBInstance } = createRequire(join(modules, 'index.js'))('@duckdb/node-api')

const text = (s) => `'${s.replaceAll("'", "''")}'`

const queries = {
  // The exact one: the whole line is kept, for its length.
  q1e: (files) => `
    select e[1], substr(e[2], 1, 13), e[3], count(*), sum(bytes), min(e[2]), max(e[2])
    from (
      select json_extract_string(json, ['_path', 'ts', '$."id.resp_p"']) as e, strlen(cast(json as varchar)) as bytes
      from read_ndjson_objects(${files})
    )
    where e[2] <= ${text(cutoff)} group by all`,
  // The fastest form: columns with their types. It has no length of a line, so another number is summed in its place.
  q1c: (files) => `
    select _path, substr(ts, 1, 13), "id.resp_p", count(*), sum("id.orig_p"), min(ts), max(ts)
    from read_ndjson(${files}, columns = {_path: 'varchar', ts: 'varchar', "id.resp_p": 'integer', "id.orig_p": 'integer'})
    where ts <= ${text(cutoff)} group by all`,
}

const db = await DuckDBInstance.create(':memory:', { threads })
const connection = await db.connect()
await connection.run('set preserve_insertion_order = false')

const first = readdirSync(folder).filter((f) => f.endsWith(suffix)).sort()[0]
await connection.runAndReadAll(queries[name](text(join(folder, first))))

const cpu = process.cpuUsage()
const began = process.hrtime.bigint()
const result = await connection.runAndReadAll(queries[name](text(join(folder, '*' + suffix))))
const wall = Number(process.hrtime.bigint() - began) / 1e9
const used = process.cpuUsage(cpu)
const rows = result.getRowsJson().map((row) => row.map((v) => (v === null ? '' : String(v))))
console.log(JSON.stringify({ wall, cpu: (used.user + used.system) / 1e6, rows }))
