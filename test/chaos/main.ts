// `npm run chaos -- ...`: kills of one node (kill.ts, --kills), or of a cluster in many ways
// (cluster/main.ts, --scenario).

const isOfCluster = process.argv.some((parameter) => parameter.startsWith('--scenario'));
await import(isOfCluster ? './cluster/main.ts' : './kill.ts');
