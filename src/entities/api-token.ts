import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** What an API token may be used for. */
export enum ApiTokenScope {
  INTAKE = 'INTAKE',
}

/** A secret for gateways and automation; only its SHA-256 is kept. */
@Entity('api_token')
export class ApiToken {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  @Column({ type: 'varchar' })
  name!: string;

  @Column({ name: 'token_hash', type: 'varchar' })
  tokenHash!: string;

  @Column({ type: 'simple-json' })
  scopes!: ApiTokenScope[];

  @Column({ name: 'created_at', type: 'integer' })
  createdAtMs!: number;

  @Column({ name: 'last_used_at', type: 'integer', nullable: true })
  lastUsedAtMs!: number | null;

  @Column({ name: 'expires_at', type: 'integer', nullable: true })
  expiresAtMs!: number | null;
}
