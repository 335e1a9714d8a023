// The PostgreSQL driver against the journal conformance suite, on a real cluster.

import type { TcpProxy } from '../../support/tcp-proxy.ts';
import { journalConformance } from '../../conformance/journal/suite.ts';
import { Cluster, type ProxiedJournal } from './cluster.ts';

const cluster = await Cluster.find();

journalConformance('postgres', {
  async create() {
    const journal = await cluster.journal();
    return {
      fencing: 'native',
      secondWriter: 'admitted',
      hasUnits: false,
      attach: () => journal.attach(),
      loseNextAnswer: (written) => {
        for (const proxy of journal.proxies.values()) loseNextAppend(proxy, written);
      },
      fillUpOnce: () => refuseNextForRoom(journal),
      unitNames: () => Promise.resolve([]),
      dispose: () => journal.drop(),
    };
  },
});

/** The connection is cut behind the statement, or before it. */
function loseNextAppend(proxy: TcpProxy, written: 'now' | 'never'): void {
  proxy.losesAnswerTo = (request) => {
    if (!request.includes('holdfast_append_')) return false;
    if (written === 'never') {
      proxy.losesAnswerTo = undefined;
      proxy.cut();
    }
    return true;
  };
}

/** The server's own way to say that its disk is full, once: counted past the rollback. */
async function refuseNextForRoom(journal: ProxiedJournal): Promise<void> {
  await journal.sql(
    'n1',
    `create sequence rows_seen;
     grant usage on rows_seen to public;
     create function refuse_once() returns trigger language plpgsql as $$
     begin
       if nextval('rows_seen') = 1 then
         raise exception 'could not extend file: No space left on device'
           using errcode = 'disk_full';
       end if;
       return new;
     end $$;
     create trigger refuse_once before insert on holdfast_journal
       for each row execute function refuse_once()`,
  );
}
