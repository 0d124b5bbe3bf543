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

  /** Outcome of the last synchronisation. */
  @Column({ type: 'simple-json' })
  state!: Record<string, unknown>;

  @Column({ name: 'lease_owner', type: 'varchar', nullable: true })
  leaseOwner!: string | null;

  @Column({ name: 'lease_until', type: 'integer' })
  leaseUntilMs!: number;

  @Column({ name: 'next_run_at', type: 'integer', nullable: true })
  nextRunAtMs!: number | null;
}
