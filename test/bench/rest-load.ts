// One transfer a request over HTTP, durable, beside a bare fastify echo in the same run; what both
// did, as one line of JSON for each number of connections.
//
//   node test/bench/rest-load.ts
//   node test/bench/rest-load.ts --connections 64 --requests 20000 --rounds 5
//   node test/bench/rest-load.ts --connections 64 --profile DIR

import { parseArgs } from 'node:util';
import { availableParallelism, cpus } from 'node:os';
import { measureRest } from './rest-measure.ts';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1,32,64,256' },
    requests: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    profile: { type: 'string' },
  },
});

const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
for (const connections of values.connections.split(',').map(Number)) {
  const startedCpu = process.cpuUsage();
  const figures = await measureRest({
    connections,
    requests: Number(values.requests),
    rounds: Number(values.rounds),
    ...(values.profile === undefined ? {} : { profile: values.profile }),
  });
  const { user, system } = process.cpuUsage(startedCpu);
  const clientUs = (user + system) / (figures.requests * (figures.rounds + 1) * 2);
  const line = { workload: 'rest', ...figures, clientCpuUs: Math.round(clientUs), machine };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
