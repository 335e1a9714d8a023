// The user data of accounts, transfers and postings as options, to write and to search by.

import type { Command } from 'commander';
import type { NewAccount } from '../client/wire.ts';
import { U32_RANGE, readHex128, readNumber, readU64 } from './inputs.ts';

export type UserDataOptions = {
  readonly userData128?: string;
  readonly userData64?: string;
  readonly userData32?: string;
};

export function addUserDataOptions(command: Command): Command {
  return command
    .option('--user-data-128 <hex>', 'your own 128 bits, as hex digits')
    .option('--user-data-64 <number>', 'your own 64 bits')
    .option('--user-data-32 <number>', 'your own 32 bits');
}

export function readUserData(
  options: UserDataOptions,
): Pick<NewAccount, 'userData128' | 'userData64' | 'userData32'> {
  const { userData128, userData64, userData32 } = options;
  return {
    ...(userData128 !== undefined && {
      userData128: readHex128('--user-data-128', userData128),
    }),
    ...(userData64 !== undefined && { userData64: readU64('--user-data-64', userData64) }),
    ...(userData32 !== undefined && {
      userData32: readNumber('--user-data-32', userData32, U32_RANGE),
    }),
  };
}
