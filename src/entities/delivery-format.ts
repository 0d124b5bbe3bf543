/** How a stored message is sent from Backup (rules D4, D5). */
export enum DeliveryFormat {
  IN_ATTACHMENT = 'IN_ATTACHMENT',
  AS_IS = 'AS_IS',
}
