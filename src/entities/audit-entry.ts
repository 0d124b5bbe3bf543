import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** Something that somebody did, or tried to do; never changed, removed only by age. */
@Entity('audit_entry')
export class AuditEntry {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  @Column({ type: 'integer' })
  at!: number;

  /** Who: "account:<login>", "person:<login>", "token:<name>" or "system". */
  @Column({ type: 'varchar' })
  actor!: string;

  @Column({ name: 'remote_address', type: 'varchar' })
  remoteAddress!: string;

  @Column({ type: 'varchar' })
  event!: string;

  /** ALLOWED, REFUSED or FAILED. */
  @Column({ type: 'varchar' })
  outcome!: string;

  /** What it was done to, such as "message:42". */
  @Column({ type: 'varchar' })
  subject!: string;

  @Column({ type: 'simple-json' })
  details!: Record<string, unknown>;
}
