import test from 'ava'
import { behavesLikeATransport } from '../contract.ts'

behavesLikeATransport(test, 'session', { timeStep: 1, noTimesBefore1970: false })
