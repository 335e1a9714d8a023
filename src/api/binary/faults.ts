// What is wrong with bytes that are not a frame, in the codes of the doors.

import { assertNever } from '../../base/assert.ts';
import type { FrameFault } from '../../base/protocol.ts';
import { ApiProblem } from '../problems.ts';

export function faultProblem(fault: FrameFault | 'too_large'): ApiProblem {
  switch (fault) {
    case 'magic':
      return malformed('The bytes do not begin with HFBP: another protocol, or out of step.');
    case 'reserved':
      return malformed('A field of the header that must be zero is not, or a number is too large.');
    case 'length':
      return malformed('The length of the payload is not a multiple of 8.');
    case 'header_checksum':
      return new ApiProblem('frame_checksum_wrong', { detail: "The header's checksum is wrong." });
    case 'payload_checksum':
      return new ApiProblem('frame_checksum_wrong', { detail: "The payload's checksum is wrong." });
    case 'too_large':
      return new ApiProblem('body_too_large', {
        detail: 'The payload is larger than this connection may send now.',
      });
    default:
      return assertNever(fault, 'a fault has its problem');
  }
}

function malformed(detail: string): ApiProblem {
  return new ApiProblem('frame_malformed', { detail });
}
