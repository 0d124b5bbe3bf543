import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { RoleSubjectKind } from './role-assignment.js';

/** A signed-in client; ends by sign-out, idleness, age, or when its account ends. */
@Entity('session')
export class Session {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  /** SHA-256 of the token, so that a copy of the table opens no session. */
  @Column({ name: 'token_hash', type: 'varchar' })
  tokenHash!: string;

  /** Whether a local account or a person of the directory holds it. */
  @Column({ name: 'subject_kind', type: 'varchar' })
  subjectKind!: RoleSubjectKind.ACCOUNT | RoleSubjectKind.PERSON;

  /** The local account's id, or the person's lasting identity in the directory (rule L7); as role assignments name it. */
  @Column({ type: 'varchar' })
  subject!: string;

  /** Set for local accounts. */
  @Column({ name: 'account_id', type: 'integer', nullable: true })
  accountId!: number | null;

  /** What the person typed to sign in, folded. */
  @Column({ type: 'varchar' })
  login!: string;

  @Column({ type: 'varchar' })
  name!: string;

  @Column({ name: 'created_at', type: 'integer' })
  createdAtMs!: number;

  @Column({ name: 'last_used_at', type: 'integer' })
  lastUsedAtMs!: number;

  @Column({ name: 'expires_at', type: 'integer' })
  expiresAtMs!: number;

  @Column({ name: 'idle_ms', type: 'integer' })
  idleMs!: number;

  @Column({ name: 'remote_address', type: 'varchar' })
  remoteAddress!: string;
}
