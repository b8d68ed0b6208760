/** A path from browser to browser, or one by a TURN server. */
export type Kind = 'direct' | 'relay';

/** By the pair of candidates that is in use; `null`: none is. */
export async function kindOf(pc: RTCPeerConnection): Promise<Kind | null> {
  const stats = await pc.getStats();
  let pair: any = null;
  for (const stat of stats.values()) {
    if (stat.type === 'transport' && stat.selectedCandidatePairId) pair = stats.get(stat.selectedCandidatePairId) ?? pair;
    else if (stat.type === 'candidate-pair' && stat.selected) pair = stat;
  }
  if (!pair) return null;
  const ends = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
  return ends.some((end) => end?.candidateType === 'relay') ? 'relay' : 'direct';
}
