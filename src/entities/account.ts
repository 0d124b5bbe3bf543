import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** An account that lives here and not in a directory, with a password of its own. */
@Entity('account')
export class Account {
  @PrimaryGeneratedColumn({ type: 'integer' })
  id!: number;

  @Column({ type: 'varchar' })
  login!: string;

  /** The login as it is compared: NFC, lower case. */
  @Column({ name: 'login_key', type: 'varchar' })
  loginKey!: string;

  @Column({ type: 'varchar' })
  name!: string;

  /** scrypt with its parameters and salt. */
  @Column({ name: 'password_hash', type: 'varchar' })
  passwordHash!: string;

  @Column({ type: 'boolean' })
  disabled!: boolean;

  @Column({ name: 'created_at', type: 'integer' })
  createdAtMs!: number;
}
