import { ArgsType, type ClassType, Field, Int, ObjectType } from 'type-graphql';
import type { PageArguments } from '../services/backup/message-order.js';

/** Where a page lies in its list (Relay cursor connections). */
@ObjectType({ description: 'Where a page lies in its list (Relay Cursor Connections Specification).' })
export class PageInfo {
  @Field({ description: 'Whether more follows behind this page.' })
  hasNextPage!: boolean;

  @Field({ description: 'Whether something lies before this page.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first node; null on an empty page.' })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'Cursor of the last node; null on an empty page.' })
  endCursor!: string | null;
}

/** Which part of a list is wanted. */
@ArgsType()
export class PageArgs implements PageArguments {
  @Field(() => Int, { nullable: true, description: 'How many from the front, 0 to 200; 50 when nothing is said.' })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Start behind this cursor.' })
  after?: string | null;

  @Field(() => Int, { nullable: true, description: 'How many from the end, 0 to 200.' })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'End before this cursor.' })
  before?: string | null;
}

/** An edge of a connection: a node and its cursor. */
export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

/** A connection: a page of a list. */
export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfo;
}

/** Declares the edge and connection types of a node; `what` names the nodes in descriptions, in the plural. */
export function connectionTypes<Node extends object>(
  name: string,
  nodeType: ClassType<Node>,
  what: string,
): { EdgeType: ClassType<Edge<Node>>; ConnectionType: ClassType<Connection<Node>> } {
  @ObjectType(`${name}Edge`, { description: `One of the ${what} with its cursor.` })
  class EdgeType {
    @Field({ description: 'Opaque place of the node in its list.' })
    cursor!: string;

    @Field(() => nodeType, { description: 'The node itself.' })
    node!: Node;
  }

  @ObjectType(`${name}Connection`, { description: `A page of ${what}.` })
  class ConnectionType {
    @Field(() => [EdgeType], { description: 'The nodes of the page with their cursors.' })
    edges!: EdgeType[];

    @Field(() => [nodeType], { description: 'The nodes of the page alone.' })
    nodes!: Node[];

    @Field(() => PageInfo, { description: 'Where the page lies in the list.' })
    pageInfo!: PageInfo;
  }

  return { EdgeType, ConnectionType: ConnectionType as unknown as ClassType<Connection<Node>> };
}

/** Makes a connection of nodes that are in order. */
export function connection<Node>(
  nodes: readonly Node[],
  cursorOf: (node: Node) => string,
  around: { hasNextPage: boolean; hasPreviousPage: boolean },
): Connection<Node> {
  const edges = nodes.map((node) => ({ node, cursor: cursorOf(node) }));
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: around.hasNextPage,
      hasPreviousPage: around.hasPreviousPage,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
