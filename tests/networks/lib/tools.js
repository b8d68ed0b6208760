import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Namespace } from './namespace.js';

let space;

/** What this machine lacks for a network, as a sentence, or null. */
export async function missing(definition, all, { mitmdump }) {
  if (definition.space) {
    space ??= Namespace.missing();
    if (await space) return space;
  }
  const needs = [...(definition.needs ?? []), ...(all.get(definition.becomes)?.needs ?? [])];
  const lacking = needs.filter((command) => (command === 'mitmdump' ? !existsSync(mitmdump) : !onPath(command)));
  return lacking.length > 0 ? `${lacking.join(' and ')} ${lacking.length > 1 ? 'are' : 'is'} not installed` : null;
}

function onPath(command) {
  return [...process.env.PATH.split(delimiter), '/usr/lib/squid'].some((folder) => existsSync(join(folder, command)));
}
