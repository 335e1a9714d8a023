// The API about itself: the OpenAPI document, and the same as a page for people. Both are made when
// they are first asked for: a node that nobody asks starts without them.

import { hash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NoQuery } from '../schemas.ts';

type Served = {
  readonly text: string;
  readonly headers: { readonly [name: string]: string };
};

/** Nobody but the asker keeps it, and asks each time whether it is still the one. */
const CACHING = 'private, no-cache';

export function openApiRoutes(app: FastifyInstance): void {
  const schema = { querystring: NoQuery };
  const getDocument = once(makeDocument);
  const getPage = once(makePage);
  app.get('/v1/openapi.json', { schema }, async (request, reply) =>
    sendUnlessKnown(request, reply, await getDocument()),
  );
  app.get('/docs', { schema, config: { forBrowsers: true } }, async (request, reply) =>
    sendUnlessKnown(request, reply, await getPage()),
  );
}

async function makeDocument(): Promise<Served> {
  const { currentDocumentText } = await import('../openapi/document-file.ts');
  return served(currentDocumentText(), { 'Content-Type': 'application/json; charset=utf-8' });
}

async function makePage(): Promise<Served> {
  const { currentDocument } = await import('../openapi/document-file.ts');
  const { docsPage } = await import('../docs-page/page.ts');
  const { html, contentSecurityPolicy } = docsPage(currentDocument());
  return served(html, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': contentSecurityPolicy,
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Frame-Options': 'DENY',
  });
}

function served(text: string, headers: Served['headers']): Served {
  const etag = `"${hash('sha256', text).slice(0, 32)}"`;
  const common = { ETag: etag, 'Cache-Control': CACHING, 'X-Content-Type-Options': 'nosniff' };
  return { text, headers: { ...common, ...headers } };
}

function sendUnlessKnown(request: FastifyRequest, reply: FastifyReply, { text, headers }: Served) {
  reply.headers(headers);
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim());
  const etag = headers['ETag']!;
  const isKnown = known.some((tag) => tag === '*' || tag === etag || tag === `W/${etag}`);
  return isKnown ? reply.code(304).removeHeader('Content-Type').send() : reply.send(text);
}

/** Made once; where that failed, tried again for the next who asks. */
function once(make: () => Promise<Served>): () => Promise<Served> {
  let made: Promise<Served> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
