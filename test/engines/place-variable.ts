// How a test of an engine hears where its engine is. Where nobody says it the test fails.

import { type Place, findPlace } from '../../deploy/engines/place.ts';

export const PLACE_VARIABLE = 'HOLDFAST_TEST_ENGINE';

export async function placeUnderTest(): Promise<Place> {
  const folder = process.env[PLACE_VARIABLE] ?? '';
  const place = await findPlace(folder);
  if (place === undefined) {
    throw new Error(`No engine to test with in "${folder}": npm run test:engines`);
  }
  return place;
}
