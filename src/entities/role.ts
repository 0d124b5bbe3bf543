import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { Permission } from './permission.js';

/** A named set of permissions (rule V2). */
@Entity('role')
export class Role {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  @Column({ type: 'varchar' })
  name!: string;

  @Column({ type: 'simple-json' })
  permissions!: Permission[];

  /** Predefined roles can be neither changed nor deleted. */
  @Column({ type: 'boolean' })
  predefined!: boolean;
}
