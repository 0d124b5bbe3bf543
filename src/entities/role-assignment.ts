import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** Who can hold a role: a local account, a person of the directory, or everybody in a group of the directory. */
export enum RoleSubjectKind {
  ACCOUNT = 'ACCOUNT',
  PERSON = 'PERSON',
  GROUP = 'GROUP',
}

/** A role given to somebody. */
@Entity('role_assignment')
export class RoleAssignment {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  @Column({ name: 'role_id', type: 'integer' })
  roleId!: number;

  @Column({ name: 'subject_kind', type: 'varchar' })
  subjectKind!: RoleSubjectKind;

  /** The local account's id, or the directory's lasting identity (rule L7). */
  @Column({ type: 'varchar' })
  subject!: string;
}
