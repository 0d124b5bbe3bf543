import { Field, ObjectType } from 'type-graphql';
import { Module, ScanStatus, type AttachmentSummary, type ScanResult } from '../../entities/vocabulary.js';
import { ByteCountScalar } from '../../entities/scalars.js';

/** SPF, DKIM and DMARC. */
@ObjectType({
  description: 'Results of sender authentication, as RFC 8601 names them (pass, fail, softfail, none, …).',
})
export class SenderAuthenticationResult {
  @Field(() => String, { nullable: true, description: 'SPF (RFC 7208); null when not told.' })
  spf?: string;

  @Field(() => String, { nullable: true, description: 'DKIM (RFC 6376); null when not told.' })
  dkim?: string;

  @Field(() => String, { nullable: true, description: 'DMARC (RFC 7489); null when not told.' })
  dmarc?: string;
}

/** What one module said. */
@ObjectType('ScanResult', { description: 'What one module said of a message.' })
export class ScanResultType implements ScanResult {
  @Field(() => Module, { description: 'The module.' })
  module!: Module;

  @Field(() => ScanStatus, { description: 'What it found.' })
  status!: ScanStatus;

  @Field(() => String, { nullable: true, description: "The scanner's own words; null when it gave none." })
  scannerVerdict!: string | null;

  @Field(() => [String], { description: 'Names of threats, as the scanner spells them.' })
  threatNames!: string[];

  @Field(() => SenderAuthenticationResult, { nullable: true, description: 'Only for SENDER_AUTHENTICATION.' })
  authentication?: SenderAuthenticationResult;
}

/** A part that people would call an attachment. */
@ObjectType('Attachment', {
  description:
    'A part of a message that people would call an attachment; always shown, whatever may be read (rule P6).',
})
export class AttachmentType implements AttachmentSummary {
  @Field({ description: 'File name, decoded (RFC 2231, RFC 2047).' })
  name!: string;

  @Field({ description: 'Media type as the sender declared it.' })
  type!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Media type told by the first bytes; null when they tell nothing.',
  })
  detectedType!: string | null;

  @Field(() => ByteCountScalar, { name: 'size', description: 'Size after decoding, in bytes.' })
  sizeBytes!: number;
}
