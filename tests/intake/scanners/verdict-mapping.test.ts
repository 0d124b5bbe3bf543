import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayAction, Module, type ScanResult, ScanStatus } from '../../../src/entities/vocabulary';
import { VerdictMappingError } from '../../../src/services/intake/scanners/hand-over-errors';
import { rspamdHandOver } from '../../../src/services/intake/scanners/rspamd-hand-over';
import { readRspamdMetadata } from '../../../src/services/intake/scanners/rspamd-metadata';
import {
  loadVerdictMapping,
  readVerdictMapping,
  type VerdictMapping,
} from '../../../src/services/intake/scanners/verdict-mapping';

const DEFAULT = loadVerdictMapping();

type Symbols = [name: string, score?: number, group?: string, options?: string[]][];

function handOver(fields: Record<string, unknown>, mapping: VerdictMapping = DEFAULT) {
  return rspamdHandOver(readRspamdMetadata(fields), mapping, 1_700_000_000_000);
}

function results(symbols: Symbols, fields: Record<string, unknown> = {}, mapping = DEFAULT): Map<Module, ScanResult> {
  const list = symbols.map(([name, score = 0, group, options]) => ({
    name,
    score,
    ...(group && { group, groups: [group] }),
    ...(options && { options }),
  }));
  const [verdict] = handOver({ action: 'no action', score: 0, ...fields, symbols: list }, mapping).verdicts;
  return new Map(verdict?.scanResults.map((result) => [result.module, result]));
}

describe('rspamd: actions', () => {
  it.each([
    ['quarantine', GatewayAction.DELETE_MESSAGE],
    ['discard', GatewayAction.DELETE_MESSAGE],
    ['reject', GatewayAction.REJECT],
    ['add header', GatewayAction.SKIP],
    ['rewrite subject', GatewayAction.SKIP],
    ['soft reject', GatewayAction.SKIP],
    ['greylist', GatewayAction.SKIP],
    ['no action', GatewayAction.SKIP],
    ['Quarantine', GatewayAction.DELETE_MESSAGE],
    ['something of their own', GatewayAction.SKIP],
    ['unknown', GatewayAction.SKIP],
    [undefined, GatewayAction.SKIP],
  ])('S4: %s becomes %s', (action, expected) => {
    expect(handOver({ action, rcpt: ['a@x'] }).verdicts).toEqual([
      expect.objectContaining({ action: expected, recipients: ['a@x'] }),
    ]);
  });

  it('keeps an unknown action as text', () => {
    expect(handOver({ action: 'tarpit', score: 3 }).verdicts[0]?.reason).toBe('tarpit, score 3');
  });
});

describe('rspamd: symbols', () => {
  it.each<[string, Symbols, Module, ScanStatus, string[]]>([
    [
      'a virus',
      [['CLAM_VIRUS', 0, 'antivirus', ['Eicar-Test']]],
      Module.ANTI_VIRUS,
      ScanStatus.DETECTED,
      ['Eicar-Test'],
    ],
    // Names of rspamd 3.9 to 4.3.
    [
      'a look-alike address (4.x)',
      [['URL_HOMOGRAPH_ATTACK', 5, 'url_suspect', ['x.example']]],
      Module.ANTI_PHISHING,
      ScanStatus.DETECTED,
      ['x.example'],
    ],
    [
      'an excluded address (3.9)',
      [['PHISHED_EXCLUDED', 5, 'phishing']],
      Module.ANTI_PHISHING,
      ScanStatus.NOT_DETECTED,
      [],
    ],
    [
      'a phishing domain',
      [['DBL_PHISH', 6.5, 'surbl', ['x.example']]],
      Module.ANTI_PHISHING,
      ScanStatus.DETECTED,
      ['x.example'],
    ],
    [
      'a disguised file name',
      [['MIME_BAD_UNICODE', 8, 'mime_types']],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      ['MIME_BAD_UNICODE'],
    ],
    [
      'a forged known domain, which is on no list',
      [['BLACKLIST_DMARC', 6, 'whitelist']],
      Module.ANTI_SPAM,
      ScanStatus.NOT_DETECTED,
      [],
    ],
    ['another engine, by group', [['MY_ENGINE', 0, 'antivirus', ['X']]], Module.ANTI_VIRUS, ScanStatus.DETECTED, ['X']],
    [
      'a virus without a name',
      [['CLAM_VIRUS', 0, 'antivirus']],
      Module.ANTI_VIRUS,
      ScanStatus.DETECTED,
      ['CLAM_VIRUS'],
    ],
    [
      'the documented example',
      [['EICAR_HIT', 0, 'antivirus', ['Eicar-Test-Signature.UNOFFICIAL']]],
      Module.ANTI_VIRUS,
      ScanStatus.DETECTED,
      ['Eicar-Test-Signature.UNOFFICIAL'],
    ],
    [
      'macros',
      [['CLAM_VIRUS_MACRO', 0, 'antivirus', ['Heuristics.OLE2.ContainsMacros']]],
      Module.ANTI_VIRUS,
      ScanStatus.MACROS,
      ['Heuristics.OLE2.ContainsMacros'],
    ],
    [
      'macros, told by the threat',
      [['CLAM_VIRUS', 0, 'antivirus', ['Heuristics.OLE2.ContainsMacros.VBA']]],
      Module.ANTI_VIRUS,
      ScanStatus.MACROS,
      ['Heuristics.OLE2.ContainsMacros.VBA'],
    ],
    ['an encrypted archive', [['CLAM_VIRUS_ENCRYPTED', 0, 'antivirus']], Module.ANTI_VIRUS, ScanStatus.ENCRYPTED, []],
    [
      'an engine that failed',
      [['CLAM_VIRUS_FAIL', 0, 'antivirus', ['timeout']]],
      Module.ANTI_VIRUS,
      ScanStatus.SCAN_ERROR,
      [],
    ],
    [
      'a virus and a failure',
      [['CLAM_VIRUS_FAIL'], ['FPROT_VIRUS', 1, 'antivirus', ['Y']]],
      Module.ANTI_VIRUS,
      ScanStatus.DETECTED,
      ['Y'],
    ],
    [
      'macros and a failure: the stricter (P3)',
      [['OLETOOLS_MACRO'], ['CLAM_VIRUS_FAIL']],
      Module.ANTI_VIRUS,
      ScanStatus.SCAN_ERROR,
      ['OLETOOLS_MACRO'],
    ],
    ['nothing about viruses', [['BAYES_HAM', -3]], Module.ANTI_VIRUS, ScanStatus.NOT_SCANNED, []],
    [
      'phishing',
      [['PHISHING', 4, 'phishing', ['bank.example->evil.example']]],
      Module.ANTI_PHISHING,
      ScanStatus.DETECTED,
      ['bank.example->evil.example'],
    ],
    ['phishing too weak to count', [['PHISHING', 0.2, 'phishing']], Module.ANTI_PHISHING, ScanStatus.NOT_DETECTED, []],
    [
      'a listed link',
      [['URIBL_BLACK', 7.5, 'surbl', ['evil.example']]],
      Module.LINK_SCANNING,
      ScanStatus.DETECTED,
      ['evil.example'],
    ],
    [
      'a link list that refused to answer',
      [['URIBL_BLOCKED', 0, 'surbl', ['x.example']]],
      Module.LINK_SCANNING,
      ScanStatus.NOT_DETECTED,
      [],
    ],
    [
      'a bad extension',
      [['MIME_BAD_EXTENSION', 2, 'mime_types', ['exe']]],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      ['exe'],
    ],
    [
      'a program in a split archive',
      [['MIME_EXE_IN_GEN_SPLIT_RAR', 5, 'mime_types']],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      ['MIME_EXE_IN_GEN_SPLIT_RAR'],
    ],
    ['an encrypted PDF', [['PDF_ENCRYPTED', 0.3, 'content']], Module.ANTI_VIRUS, ScanStatus.ENCRYPTED, []],
    ['a denylist', [['FROM_DENYLIST', 20]], Module.ANTI_SPAM, ScanStatus.DENYLISTED, []],
    ['an allowlist', [['WHITELIST_DMARC', -7]], Module.ANTI_SPAM, ScanStatus.TRUSTED, []],
    ['mass mail', [['PRECEDENCE_BULK', 0]], Module.ANTI_SPAM, ScanStatus.MASS_MAIL, []],
    ['a bounce', [['BOUNCE', -0.1]], Module.ANTI_SPAM, ScanStatus.FORMAL, []],
    ['a sandbox', [['ACME_SANDBOX', 5, undefined, ['Dropper']]], Module.SANDBOX, ScanStatus.DETECTED, ['Dropper']],
    [
      'a personal denylist',
      [['RCPT_PERSONAL_DENYLIST', 5]],
      Module.PERSONAL_DENYLIST,
      ScanStatus.DETECTED,
      ['RCPT_PERSONAL_DENYLIST'],
    ],
  ])('%s', (_, symbols, module, status, threatNames) => {
    expect(results(symbols).get(module)).toMatchObject({ status, threatNames });
  });

  it.each<[string, number, string, Symbols, ScanStatus]>([
    ['a high score', 15, 'reject', [], ScanStatus.SPAM],
    ['a middling score', 6, 'add header', [], ScanStatus.PROBABLE_SPAM],
    ['a low score that a site rejects at', 5, 'reject', [], ScanStatus.SPAM],
    ['a rejected virus with a low score', 0, 'reject', [['CLAM_VIRUS', 0, 'antivirus']], ScanStatus.NOT_DETECTED],
    ['a virus in spam', 16, 'reject', [['CLAM_VIRUS', 0, 'antivirus']], ScanStatus.SPAM],
    ['a clean message', 1, 'no action', [], ScanStatus.NOT_DETECTED],
    ['an allowlisted message with a high score', 15, 'reject', [['WHITELIST_SPF', -1]], ScanStatus.SPAM],
  ])('spam: %s (%d, %s)', (_, score, action, symbols, status) => {
    expect(results(symbols, { score, action }).get(Module.ANTI_SPAM)?.status).toBe(status);
  });

  it.each<[Symbols, ScanStatus, Record<string, string> | undefined]>([
    [
      [['R_SPF_ALLOW'], ['R_DKIM_ALLOW'], ['DMARC_POLICY_ALLOW']],
      ScanStatus.NO_VIOLATION,
      { spf: 'pass', dkim: 'pass', dmarc: 'pass' },
    ],
    [
      [['R_SPF_FAIL'], ['R_DKIM_ALLOW'], ['DMARC_POLICY_ALLOW']],
      ScanStatus.NO_VIOLATION,
      { spf: 'fail', dkim: 'pass', dmarc: 'pass' },
    ],
    [[['R_SPF_ALLOW'], ['DMARC_POLICY_REJECT']], ScanStatus.VIOLATION, { spf: 'pass', dmarc: 'fail' }],
    [[['R_SPF_FAIL'], ['R_DKIM_NA'], ['DMARC_NA']], ScanStatus.VIOLATION, { spf: 'fail', dkim: 'none', dmarc: 'none' }],
    [[['R_SPF_SOFTFAIL'], ['DMARC_NA']], ScanStatus.NO_VIOLATION, { spf: 'softfail', dmarc: 'none' }],
    [[['R_SPF_DNSFAIL'], ['R_DKIM_TEMPFAIL']], ScanStatus.NO_VIOLATION, { spf: 'temperror', dkim: 'temperror' }],
    [[['R_DKIM_REJECT'], ['R_DKIM_ALLOW']], ScanStatus.VIOLATION, { dkim: 'fail' }],
    [[], ScanStatus.NOT_SCANNED, undefined],
  ])('sender authentication: %j is %s', (symbols, status, authentication) => {
    const result = results(symbols).get(Module.SENDER_AUTHENTICATION);
    expect(result?.status).toBe(status);
    expect(result?.authentication).toEqual(authentication);
  });

  it('ignores thousands of unknown symbols and bounds what it keeps', () => {
    const symbols: Symbols = Array.from({ length: 5000 }, (_, index) => [
      `SITE_${index}`,
      1,
      'antivirus',
      [index + 'n'.repeat(1000)],
    ]);
    const result = results(symbols).get(Module.ANTI_VIRUS);
    expect(result?.threatNames).toHaveLength(50);
    expect(JSON.stringify(result).length).toBeLessThan(20_000);
  });
});

describe('rspamd: odd metadata', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      'unknown everywhere',
      { from: 'unknown', rcpt: 'unknown', ip: 'unknown', qid: 'unknown', user: 'unknown', action: 'unknown' },
      { sender: null, recipients: [], senderIp: null, queueId: null, user: null, action: null },
    ],
    ['the null sender', { from: '' }, { sender: null }],
    ['the null sender in angle brackets', { from: '<>' }, { sender: null }],
    ['one recipient as a string', { rcpt: 'a@x' }, { recipients: ['a@x'] }],
    ['recipients as a flat text', { rcpt: 'a@x, <"b, c"@x>' }, { recipients: ['a@x', '"b, c"@x'] }],
    ['recipients as JSON text', { rcpt: '["a@x","b@x"]' }, { recipients: ['a@x', 'b@x'] }],
    ['recipients as an empty object', { rcpt: {} }, { recipients: [] }],
    ['recipients as a Lua table with numbers', { rcpt: { 1: 'a@x', 2: 'b@x' } }, { recipients: ['a@x', 'b@x'] }],
    ['recipients as objects', { rcpt: [{ addr: 'a@x' }, { name: 'no address' }] }, { recipients: ['a@x'] }],
    ['the same mailbox twice', { rcpt: ['A@X', 'a@x', '<a@x>', 'unknown', '', 7] }, { recipients: ['A@X'] }],
    ['line breaks in an address', { rcpt: ['a@x\r\nBcc: b@x'] }, { recipients: ['a@x Bcc: b@x'] }],
    ['symbols as an empty object', { symbols: {} }, { symbols: [] }],
    [
      'symbols by name',
      { symbols: { A: { score: 1, options: {} } } },
      { symbols: [{ name: 'A', score: 1, groups: [], options: [] }] },
    ],
    ['symbols as names', { symbols: ['A'] }, { symbols: [{ name: 'A', score: 0, groups: [], options: [] }] }],
    [
      'options and groups as strings',
      { symbols: [{ name: 'A', score: '2.5', group: 'g', groups: 'h', options: 'o' }] },
      { symbols: [{ name: 'A', score: 2.5, groups: ['g', 'h'], options: ['o'] }] },
    ],
    ['symbols that are none', { symbols: [null, 3, {}, { score: 1 }, 'unknown'] }, { symbols: [] }],
    ['a score as text', { score: '7.5' }, { score: 7.5 }],
    ['a score that is none', { score: 'nan' }, { score: null }],
    ['an address that is none', { ip: 'localhost' }, { senderIp: null }],
    ['lists of one', { from: ['a@x'], action: ['reject'] }, { sender: 'a@x', action: 'reject' }],
  ])('survives %s', (_, fields, expected) => {
    expect(readRspamdMetadata(fields)).toMatchObject(expected);
  });
});

describe('a mapping of the administrator', () => {
  it('S4: can show people what was rejected at SMTP time', () => {
    const mapping = readVerdictMapping({ rspamd: { actions: { reject: 'DELETE_MESSAGE' } } });
    expect(handOver({ action: 'reject' }, mapping).verdicts[0]?.action).toBe(GatewayAction.DELETE_MESSAGE);
    expect(handOver({ action: 'quarantine' }, mapping).verdicts[0]?.action).toBe(GatewayAction.DELETE_MESSAGE);
    expect(handOver({ action: 'greylist' }, mapping).verdicts[0]?.action).toBe(GatewayAction.SKIP);
  });

  it('asks its rules before the default ones, and can silence those', () => {
    const mapping = readVerdictMapping({
      rspamd: {
        findings: [
          { symbol: 'CLAM_VIRUS', option: 'Sanesecurity.*', module: 'ANTI_SPAM', status: 'SPAM' },
          { symbol: 'NOISY_*', ignore: true },
        ],
        withoutFinding: { ANTI_VIRUS: 'NOT_DETECTED' },
        spamScores: [{ from: 100, status: 'SPAM' }],
      },
    });
    const found = results(
      [
        ['CLAM_VIRUS', 0, 'antivirus', ['Sanesecurity.Junk']],
        ['NOISY_VIRUS', 0, 'antivirus'],
      ],
      { score: 20 },
      mapping,
    );
    expect(found.get(Module.ANTI_VIRUS)?.status).toBe(ScanStatus.NOT_DETECTED);
    expect(found.get(Module.ANTI_SPAM)?.status).toBe(ScanStatus.SPAM);
    expect(results([], { score: 20 }, mapping).get(Module.ANTI_SPAM)?.status).toBe(ScanStatus.NOT_DETECTED);
  });

  it.each<[string, unknown, string]>([
    [
      'a status of another module',
      { rspamd: { findings: [{ symbol: 'A', module: 'ANTI_VIRUS', status: 'SPAM' }] } },
      'rspamd.findings[0].status: SPAM is no status of ANTI_VIRUS; possible are',
    ],
    [
      'a missing module',
      { rspamd: { findings: [{ symbol: 'A', status: 'SPAM' }] } },
      'rspamd.findings[0].module: is missing',
    ],
    [
      'a rule about nothing',
      { rspamd: { findings: [{ ignore: true }] } },
      'rspamd.findings[0]: needs "symbol" or "group"',
    ],
    [
      'a misspelt key',
      { rspamd: { findings: [{ symbol: 'A', modul: 'ANTI_VIRUS', status: 'DETECTED' }] } },
      'rspamd.findings[0]: Unrecognized key: "modul"',
    ],
    ['an unknown action', { rspamd: { actions: { reject: 'DELETE' } } }, 'rspamd.actions.reject: Invalid option'],
    ['an unknown letter', { amavis: { blocked: { Q: 'REJECT' } } }, 'amavis.blocked'],
    ['an unknown section', { spamassassin: {} }, 'the file: Unrecognized key: "spamassassin"'],
    ['a list instead of an object', [], 'the file: must hold a JSON object'],
    [
      'a status without a find',
      { amavis: { withoutFinding: { ANTI_VIRUS: 'SPAM' } } },
      'amavis.withoutFinding.ANTI_VIRUS: SPAM is no status',
    ],
  ])('names the place of %s', (_, change, place) => {
    expect(() => readVerdictMapping(change, 'mapping.json')).toThrow(VerdictMappingError);
    expect(() => readVerdictMapping(change, 'mapping.json')).toThrow(place);
    expect(() => readVerdictMapping(change, 'mapping.json')).toThrow('mapping.json');
  });

  it('is read from a file, and says when that is no JSON', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailkeep-mapping-'));
    const file = join(folder, 'mapping.json');
    writeFileSync(file, '{"rspamd":{"actions":{"reject":"DELETE_MESSAGE"}}}');
    expect(loadVerdictMapping(file).rspamd.actions.get('reject')).toBe(GatewayAction.DELETE_MESSAGE);
    writeFileSync(file, '{"rspamd":');
    expect(() => loadVerdictMapping(file)).toThrow(VerdictMappingError);
    rmSync(folder, { recursive: true });
    expect(() => loadVerdictMapping(file)).toThrow(/ENOENT/);
  });
});
