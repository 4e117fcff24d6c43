// Runs batches on a server through tedious and prints what came back, a JSON object per line.
// Called with one argument: {"port", "user", "password", "tdsVersion", "batches"}; a batch is a text, or {"text", "parameters"}.
const { Connection, Request, TYPES } = require('tedious');

const asked = JSON.parse(process.argv[2]);
const say = (kind, value) => console.log(JSON.stringify({ [kind]: value }));
const connection = new Connection({
  server: '127.0.0.1',
  authentication: { type: 'default', options: { userName: asked.user, password: asked.password } },
  options: { port: asked.port, tdsVersion: asked.tdsVersion, encrypt: false, trustServerCertificate: true, requestTimeout: 10000 },
});

function run(batches) {
  if (!batches.length) {
    connection.close();
    return;
  }
  const [batch, ...rest] = batches;
  const text = typeof batch === 'string' ? batch : batch.text;
  const request = new Request(text, (error, rowCount) => {
    if (error) say('error', [error.number, error.message]);
    else say('count', rowCount);
    run(rest);
  });
  request.on('row', (columns) => say('row', Object.fromEntries(columns.map((one) => [one.metadata.colName, one.value]))));
  if (typeof batch === 'string') {
    connection.execSqlBatch(request);
    return;
  }
  for (const [name, value] of Object.entries(batch.parameters)) {
    request.addParameter(name, typeof value === 'number' ? TYPES.Int : TYPES.NVarChar, value);
  }
  connection.execSql(request);
}

connection.on('infoMessage', (info) => say('message', info.message));
connection.on('end', () => process.exit(0));
connection.connect((error) => {
  if (error) {
    say('error', [error.code, error.message]);
    process.exit(1);
  }
  run(asked.batches);
});
