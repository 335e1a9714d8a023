// `npm run chaos -- ...`: kills of one node (kill.ts, --kills), or of a cluster in many ways
// (cluster/main.ts, --journal and --scenario).

const isOfCluster = process.argv.some((parameter) => /^--(scenario|journal)/.test(parameter));
await import(isOfCluster ? './cluster/main.ts' : './kill.ts');
