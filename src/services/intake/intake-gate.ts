import { UnavailableError } from '../../errors.js';

/** How much intake carries at once. */
export interface IntakeGateLimits {
  /** Most messages under way; stops gateways from queueing more than the database takes. */
  readonly messages: number;
  /** Most bytes of them in memory; stops large messages arriving together from exhausting it. */
  readonly memoryBytes: number;
}

/** More is under way than intake carries; the gateway is to come back (HTTP 503, SMTP 451). */
export class IntakeBusyError extends UnavailableError {
  constructor() {
    super('INTAKE_BUSY', 'Intake carries as many messages as it can. Hand the message over again in a moment.');
  }
}

/** A message's place at the gate. */
export interface GatePass {
  /** Takes room for bytes that stay in memory; throws {@link IntakeBusyError}. */
  hold(bytes: number): void;
  /** Gives everything back; further calls do nothing. */
  leave(): void;
}

/** Refuses what is more than the limits instead of queueing it, so that memory stays bounded whatever the load. */
export class IntakeGate {
  #messages = 0;
  #bytes = 0;

  constructor(private readonly limits: IntakeGateLimits) {}

  /** How many messages are under way. */
  get messages(): number {
    return this.#messages;
  }

  /** Lets a message in; throws {@link IntakeBusyError}. */
  enter(): GatePass {
    if (this.#messages >= this.limits.messages) throw new IntakeBusyError();
    this.#messages += 1;
    let held = 0;
    let inside = true;
    return {
      hold: (bytes) => {
        if (!inside) return;
        // One message alone always passes: a limit below its size would refuse it for ever.
        if (this.#bytes > held && this.#bytes + bytes > this.limits.memoryBytes) throw new IntakeBusyError();
        held += bytes;
        this.#bytes += bytes;
      },
      leave: () => {
        if (!inside) return;
        inside = false;
        this.#messages -= 1;
        this.#bytes -= held;
      },
    };
  }
}
