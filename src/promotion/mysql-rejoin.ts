// A MariaDB server becomes a replica again by asking it: there is nothing to do in its folder. What
// it wrote alone it takes back itself when it is started in the part of a replica
// (`--init-rpl-role=SLAVE`): it then cuts its binlog behind the last commit that was acknowledged.
// One that was started otherwise is refused by the primary, which does not know its last GTID.

import { OperationalError } from '../base/errors.ts';
import { mysqlDigestAt } from './journal-head.ts';
import { type MySqlCredentials, type MySqlServer, MySqlSession, cell } from './mysql-session.ts';
import type { FolderView, RejoinHand, RejoinStep, RejoinWork } from './rejoin.ts';

export type MySqlRejoinOptions = {
  readonly server: (name: string) => MySqlServer;
  readonly credentials: MySqlCredentials;
};

export class MySqlRejoin implements RejoinHand {
  readonly worksOn = 'server';
  readonly #options: MySqlRejoinOptions;

  constructor(options: MySqlRejoinOptions) {
    this.#options = options;
  }

  readFolder(): Promise<FolderView> {
    return Promise.reject(noFolder());
  }

  steps({ member, primary }: RejoinWork): readonly RejoinStep[] {
    return [
      {
        what: `start ${member} in the part of a replica`,
        why: 'it takes back what it wrote alone; nobody acknowledged that',
        commands: ['mariadbd ... --init-rpl-role=SLAVE --rpl-semi-sync-slave-enabled=1'],
      },
      {
        what: `then let it follow ${primary}`,
        why: 'by this command once more, with --replication-password-file',
        commands: [`holdfast engine rejoin ${member} --replication-password-file FILE`],
      },
    ];
  }

  prepare(): Promise<void> {
    return Promise.reject(noFolder());
  }

  async digestAt(primary: string, position: number): Promise<string | undefined> {
    const { server, credentials } = this.#options;
    await using session = await MySqlSession.connect(server(primary), credentials);
    const [row] = await session.rows(mysqlDigestAt(credentials.database, position));
    return row === undefined ? undefined : cell(row, 'digest');
  }
}

function noFolder(): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', {
    detail: 'A MariaDB server is asked, not its folder: --data-folder is of no use for it.',
    wayOut: 'Start it with --init-rpl-role=SLAVE, and leave --data-folder out.',
  });
}
