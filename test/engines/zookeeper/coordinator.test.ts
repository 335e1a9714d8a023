// The ZooKeeper driver against the coordinator conformance suite, on a real ensemble.

import { coordinatorConformance } from '../../conformance/coordinator/suite.ts';
import { Ensemble } from './ensemble.ts';

const SESSION_MS = 1000;
const ensemble = await Ensemble.find();

coordinatorConformance('zookeeper', {
  make: () => ensemble.cluster(SESSION_MS),
  makeAway: async () => {
    const cluster = await ensemble.cluster(SESSION_MS);
    cluster.hold('hold');
    return { cluster, comeBack: async () => cluster.hold('pass') };
  },
});
