import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A connection to one directory, its state of synchronisation, and which generation of the cache is current. */
@Entity('ldap_connection')
export class LdapConnection {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  @Column({ type: 'varchar' })
  name!: string;

  /** DNS name of the directory's domain, lower case; delegation never crosses it (rule V9). */
  @Column({ type: 'varchar' })
  domain!: string;

  /** Servers, base DN, TLS, attributes; without the bind password. */
  @Column({ type: 'simple-json' })
  settings!: Record<string, unknown>;

  /** Encrypted with the configured key (rule L8). */
  @Column({ name: 'bind_password', type: 'varchar' })
  bindPassword!: string;

  @Column({ type: 'integer' })
  version!: number;

  /** The generation of cache rows that readers see; 0 before the first synchronisation. */
  @Column({ type: 'integer' })
  generation!: number;

  /** The directory attributes that name who has access to a group mailbox (rule V9); empty: none configured. */
  @Column({ name: 'delegation_attributes', type: 'simple-json' })
  delegationAttributes!: string[];

  /** Whether the current generation was loaded with exactly the configured delegation attributes (rule V9). */
  @Column({ name: 'delegation_loaded', type: 'boolean' })
  delegationLoaded!: boolean;

  /** When it is synchronised (rule L2). */
  @Column({ type: 'simple-json' })
  schedule!: Record<string, unknown>;

  /** The place in the directory's own changes up to which the cache is true; null: the next pass is a full one. */
  @Column({ name: 'change_mark', type: 'simple-json', nullable: true })
  changeMark!: Record<string, unknown> | null;

  /** When the last full pass succeeded, ms since 1970 UTC. */
  @Column({ name: 'full_pass_at', type: 'integer', nullable: true })
  fullPassAtMs!: number | null;

  /** How many people the current generation holds; a pass that finds less than half is held back. */
  @Column({ type: 'integer' })
  people!: number;

  /** How the last synchronisation went. */
  @Column({ type: 'simple-json' })
  state!: Record<string, unknown>;

  @Column({ name: 'lease_owner', type: 'varchar', nullable: true })
  leaseOwner!: string | null;

  @Column({ name: 'lease_until', type: 'integer' })
  leaseUntilMs!: number;

  @Column({ name: 'next_run_at', type: 'integer', nullable: true })
  nextRunAtMs!: number | null;
}
